/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest agent of a virtual machine whose agent's channel libvirt has.  What stands for the
 * path of the agent's socket is "URI UUID" then, which travels as that does.
 *
 * The program (pullback-libvirt --agent) takes commands as the agent has them, each with "timeout" (seconds) and
 * "id", and answers as the agent does, with that "id"; or {"error": {"desc", "errno"}} where the
 * agent was not asked or has not answered: see libvirt_machine_ask_agent. */
#ifndef PULLBACK_LIBVIRT_AGENT_H
#define PULLBACK_LIBVIRT_AGENT_H

#include <stdbool.h>

#include "failure.h"
#include "process.h"

/* Over "timeout", for the answer to arrive. */
#define LIBVIRT_AGENT_GRACE_MS 1000

/* Free with g_free. */
char *libvirt_agent_name (const char *uri, const char *uuid);

/* Does AGENT, which may be NULL, stand for one?  Paths are absolute. */
bool libvirt_agent_is (const char *agent);

/* The program for AGENT.  See libvirt-program.h. */
int libvirt_agent_start (const char *agent, struct process *process, int *fd,
                         struct failure *why) WARN_UNUSED;
void libvirt_agent_stop (struct process *process);

#endif
