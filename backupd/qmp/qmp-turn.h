/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sessions that read their schema at the same time: no more than a few.  Threads: any. */
#ifndef PULLBACK_QMP_TURN_H
#define PULLBACK_QMP_TURN_H

/* Waits while that many do. */
void qmp_turn_take (void);
void qmp_turn_give (void);

#endif
