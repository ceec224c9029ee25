/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Scoped owners: the variable's end of scope releases what it holds. */
#ifndef PULLBACK_CLEANUP_H
#define PULLBACK_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

/* Hands an owned pointer (or a descriptor) out of its scope. */
#define TAKE_PTR(p) \
  __extension__ ({ __typeof__ (p) taken_ = (p); (p) = NULL; taken_; })
#define TAKE_FD(fd) \
  __extension__ ({ int taken_fd_ = (fd); (fd) = -1; taken_fd_; })

static inline void
cleanup_free (void *pp)
{
  free (*(void **) pp);
}

static inline void
cleanup_fd (int *fdp)
{
  if (*fdp >= 0)
    close (*fdp);
}

#define CLEANUP_FREE __attribute__ ((cleanup (cleanup_free)))
#define CLEANUP_FD __attribute__ ((cleanup (cleanup_fd)))
#define WARN_UNUSED __attribute__ ((warn_unused_result))

#endif
