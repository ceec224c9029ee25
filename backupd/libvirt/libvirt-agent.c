/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <string.h>

#include <glib.h>

#include "libvirt-agent.h"
#include "libvirt-program.h"

char *
libvirt_agent_name (const char *uri, const char *uuid)
{
  return g_strdup_printf ("%s %s", uri, uuid);
}

bool
libvirt_agent_is (const char *agent)
{
  return agent != NULL && agent[0] != '/' && strstr (agent, "://") != NULL;
}

int
libvirt_agent_start (const char *agent, struct process *process, int *fd,
                     struct failure *why)
{
  const char *space = strrchr (agent, ' ');
  g_autofree char *uri = space == NULL ? NULL
                         : g_strndup (agent, (gsize) (space - agent));

  if (uri == NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "'%.200s' is neither the path of a guest agent's "
                        "socket nor libvirt's URI and a UUID", agent);
  return libvirt_program_start (uri, space + 1, "--agent", process, fd, why);
}

void
libvirt_agent_stop (struct process *process)
{
  libvirt_program_kill (process);
}
