/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The process that has been started for an errand (restore-errand.h). */
#ifndef PULLBACK_RESTORE_TARGET_ERRAND_H
#define PULLBACK_RESTORE_TARGET_ERRAND_H

/* Of main, where restore_errand_is_one: what it returns. */
int restore_target_errand_main (char *const *argv);

#endif
