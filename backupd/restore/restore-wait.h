/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For whose storage a restore waits, for whoever asks meanwhile.  Threads: any. */
#ifndef PULLBACK_RESTORE_WAIT_H
#define PULLBACK_RESTORE_WAIT_H

/* RESTORE waits from now on until the storage of the image PATH has done something, and not any
 * more.  One thing at a time; both are copied. */
void restore_wait_begin (const char *restore, const char *path);
void restore_wait_end (const char *restore);

/* A sentence, where it does so for longer than is usual; else NULL.  g_free. */
char *restore_wait_text (const char *restore);

#endif
