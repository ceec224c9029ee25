/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <stdio.h>

#include "qmp-peer.h"

void
qmp_peer_current_user (pid_t pid, uid_t *uid, gid_t *gid)
{
  char path[64], line[256];
  unsigned id;
  FILE *status;

  snprintf (path, sizeof path, "/proc/%d/status", (int) pid);
  status = fopen (path, "re");
  if (status == NULL)
    return;
  while (fgets (line, sizeof line, status) != NULL) {
    /* The second number is the effective one. */
    if (sscanf (line, "Uid: %*u %u", &id) == 1)
      *uid = id;
    else if (sscanf (line, "Gid: %*u %u", &id) == 1)
      *gid = id;
  }
  fclose (status);
}
