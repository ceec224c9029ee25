/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PULLBACK_USER_H
#define PULLBACK_USER_H

#include <sys/types.h>

#include "failure.h"

/* The user called NAME and its group, or where NAME is a number, that user and the group of
 * the same number.  -ENOENT: there is none.  Not for several threads at once. */
int user_find (const char *name, uid_t *uid, gid_t *gid) WARN_UNUSED;

#endif
