/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Page-aligned buffers for O_DIRECT, a bounded number for the whole process.
 * Threads: any. */
#ifndef PULLBACK_BOUNCE_POOL_H
#define PULLBACK_BOUNCE_POOL_H

#include <stdbool.h>

#define BOUNCE_SIZE (256u * 1024)
#define BOUNCE_ALIGN 4096u

/* A buffer of BOUNCE_SIZE bytes, or NULL.  If WAIT, NULL only means that there
 * is no memory; who waits must hold no buffer. */
char *bounce_pool_take (bool wait);
void bounce_pool_give (char *buffer);
void bounce_pool_free_all (void);

#endif
