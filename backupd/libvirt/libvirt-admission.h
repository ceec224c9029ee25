/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When a command may go to libvirt: not while that begins a backup of its own (libvirt-hold.h), and
 * where turns are taken only with one (libvirt-turn.h).  One thread. */
#ifndef PULLBACK_LIBVIRT_ADMISSION_H
#define PULLBACK_LIBVIRT_ADMISSION_H

#include <stdbool.h>
#include <stdint.h>

#include "libvirt-machine.h"

struct libvirt_admission {
  struct libvirt_machine *machine;
  const char *uri;              /* of libvirt, for a person */
  int turns;                    /* the file of turns; -1: none are taken */
  int turn;                     /* that is had; -1: none */
  int64_t proven_until;         /* then, in now_ms () */
  bool refused;                 /* the last command had no turn */
};

/* -EBUSY: not for a while, and WHY says what to do; that takes 4 s at most.  Ends the process where
 * the daemon has left meanwhile, whose commands come on DAEMON, a socket. */
int libvirt_admission_wait (struct libvirt_admission *admission, int daemon,
                            struct failure *why) WARN_UNUSED;

/* The same, for the command that starts QEMU's NBD server (libvirt_hold_has_pull). */
int libvirt_admission_wait_for_server (const struct libvirt_machine *machine,
                                       struct failure *why) WARN_UNUSED;

/* The command is done; ANSWERED: by QEMU. */
void libvirt_admission_end (struct libvirt_admission *admission, bool answered);

#endif
