/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>

#include "user.h"

int
user_find (const char *name, uid_t *uid, gid_t *gid)
{
  char *end;
  unsigned long number = strtoul (name, &end, 10);
  const struct passwd *user;

  if (*name >= '0' && *name <= '9' && *end == '\0' && number < (uid_t) -1) {
    *uid = (uid_t) number;
    *gid = (gid_t) number;
    return 0;
  }
  user = getpwnam (name);
  if (user == NULL)
    return -ENOENT;
  *uid = user->pw_uid;
  *gid = user->pw_gid;
  return 0;
}
