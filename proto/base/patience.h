/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How long somebody is waited for who may never answer, such as QEMU. */
#ifndef PULLBACK_PATIENCE_H
#define PULLBACK_PATIENCE_H

/* MS; in test builds an N-th of it, at least 1, where PULLBACK_HURRY=N, so that a
 * test of one who never answers need not wait as long as people do.  Threads: any. */
int patience_ms (int ms);

#endif
