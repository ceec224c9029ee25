/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A virtual machine by libvirt, of which this is all that pullback-libvirt uses.
 *
 * Threads: the calls come from one; the listener is called from another, and must not
 * call back. */
#ifndef PULLBACK_LIBVIRT_MACHINE_H
#define PULLBACK_LIBVIRT_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include <json-c/json.h>

#include "failure.h"

struct libvirt_machine;

struct libvirt_choice {
  const char *uri;              /* of libvirt */
  const char *domain;           /* UUID, or name */
};

struct libvirt_listener {
  /* An event of QEMU, as QMP has it, which is taken over. */
  void (*event) (void *opaque, json_object *message);
  /* No call will work any more: libvirt or the virtual machine is gone. */
  void (*over) (void *opaque);
  void *opaque;
};

/* Finds a virtual machine that runs; events come from then on.  *IDENTITY: a new object,
 * see libvirt-greeting.h; also where it is off.
 *
 *   -EHOSTUNREACH  libvirt does not answer there
 *   -ENOENT        it has no such virtual machine
 *   -ECONNREFUSED  that one does not run
 *   -EBUSY         it runs, and an earlier command has not been answered for a while
 *
 * Waits for libvirt as long as that takes. */
int libvirt_machine_open (const struct libvirt_choice *choice,
                         const struct libvirt_listener *listener,
                         struct libvirt_machine **machine, json_object **identity,
                         struct failure *why) WARN_UNUSED;

/* Waits until QEMU may be asked, see libvirt-hold.h; -EBUSY: not until UNTIL_MS, of now_ms (). */
int libvirt_machine_wait (struct libvirt_machine *machine, int64_t until_ms,
                          struct failure *why) WARN_UNUSED;

/* libvirt_hold_has_pull. */
bool libvirt_machine_has_pull (const struct libvirt_machine *machine);

/* Has QEMU carry out COMMAND, as JSON without an "id", with the descriptor FD (borrowed) or, if that
 * is -1, without one; waits as long as that takes.  *REPLY is a new object, with libvirt's own "id".
 *
 *   -ETIMEDOUT    it was not carried out: QEMU has not answered an earlier one
 *   -EREMOTEIO    libvirt refused it, WHY has its words
 *   -ENOTCONN     the virtual machine has ended, or libvirt is gone */
int libvirt_machine_call (struct libvirt_machine *machine, const char *command, int fd,
                          json_object **reply, struct failure *why) WARN_UNUSED;

/* All machines of libvirt at URI: CHANGED is called, in another thread, whenever one comes, goes,
 * starts, ends or is renamed, and OVER as in the listener. */
int libvirt_machine_open_all (const char *uri, void (*changed) (void), void (*over) (void),
                              struct libvirt_machine **all, struct failure *why) WARN_UNUSED;

/* {"domains": [{"uuid", "name", "state": "running" or "not running"}]}, a new object. */
int libvirt_machine_list (struct libvirt_machine *all, json_object **list,
                          struct failure *why) WARN_UNUSED;

/* The same machine for its guest agent alone: nothing is listened to.  -ECONNREFUSED: it does not run. */
int libvirt_machine_open_agent (const struct libvirt_choice *choice,
                                struct libvirt_machine **machine, struct failure *why) WARN_UNUSED;

/* Has the guest agent carry out COMMAND, as JSON; gives up after SECONDS.
 *
 *   -ETIMEDOUT     no answer: there is no agent, or it is busy; it may still carry it out
 *   -EREMOTEIO     the agent refused, or talks nonsense; WHY has libvirt's words
 *   -EOPNOTSUPP    the machine has no channel for one
 *   -ECONNREFUSED  it does not run
 *   -EHOSTUNREACH  libvirt is gone */
int libvirt_machine_ask_agent (struct libvirt_machine *machine, const char *command, int seconds,
                               json_object **reply, struct failure *why) WARN_UNUSED;

/* Its <domain> as it is now, in *REPLY as {"return": {"xml": TEXT}}.  As above. */
int libvirt_machine_describe (struct libvirt_machine *machine, json_object **reply,
                             struct failure *why) WARN_UNUSED;

#endif
