/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvirt is looked at before a turn is taken, so that none is kept from others while libvirt
 * is waited for, and again with it, as that may have taken long. */
#include <config.h>

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "deadline.h"
#include "libvirt-admission.h"
#include "libvirt-turn.h"

/* So long a command waits for libvirt, and for its turn: less than anybody waits for QEMU; the
 * next one after one that has waited for its turn in vain, not so long. */
#define WAIT_MS 2000
#define AGAIN_MS 200
#define SERVER_LOOK_MS 20
/* A QEMU that has answered is taken for one that does. */
#define PROVEN_MS 10000

/* Then what waited for its turn has been given up. */
static bool
has_left (int daemon)
{
  struct pollfd polled = { .fd = daemon };

  return poll (&polled, 1, 0) > 0 && (polled.revents & POLLHUP) != 0;
}

static int
take_turn (struct libvirt_admission *a, struct failure *why)
{
  if (a->turns < 0)
    return 0;
  a->turn = libvirt_turn_take (a->turns, now_ms () < a->proven_until,
                               a->refused ? AGAIN_MS : WAIT_MS);
  a->refused = a->turn < 0;
  return a->turn >= 0 ? 0
         : failure_set (why, FAILURE_BUSY, EBUSY, "the QEMUs of %d other virtual "
                        "machines of libvirt at %s have not answered, and libvirt "
                        "is to have time for others; see whether they are stopped or "
                        "their storage is stuck, or try again later",
                        LIBVIRT_TURNS_UNPROVEN, a->uri);
}

static void
return_turn (struct libvirt_admission *a)
{
  if (a->turn >= 0)
    libvirt_turn_return (a->turns, a->turn);
  a->turn = -1;
}

int
libvirt_admission_wait (struct libvirt_admission *a, int daemon,
                        struct failure *why)
{
  int64_t until_ms = now_ms () + WAIT_MS;
  int r;

  for (;;) {
    r = libvirt_machine_wait (a->machine, until_ms, why);
    if (r == 0)
      r = take_turn (a, why);
    if (r < 0)
      return r;
    if (has_left (daemon))
      _exit (0);
    if (libvirt_machine_wait (a->machine, 0, why) == 0)
      return 0;
    return_turn (a);
  }
}

int
libvirt_admission_wait_for_server (const struct libvirt_machine *machine,
                                   struct failure *why)
{
  int64_t until_ms = now_ms () + WAIT_MS;

  while (libvirt_machine_has_pull (machine)) {
    if (ms_left (until_ms) == 0)
      return failure_set (why, FAILURE_BUSY, EBUSY, "libvirt has a backup of its "
                          "own of this virtual machine, and stops QEMU's NBD "
                          "server when that ends: wait until it has ended, or "
                          "end it (virsh domjobabort)");
    usleep (SERVER_LOOK_MS * 1000);
  }
  return 0;
}

void
libvirt_admission_end (struct libvirt_admission *a, bool answered)
{
  if (answered)
    a->proven_until = now_ms () + PROVEN_MS;
  return_turn (a);
}
