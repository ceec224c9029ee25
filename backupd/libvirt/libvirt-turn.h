/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How many commands may be with the QEMUs of one libvirt at once.  libvirtd has few workers
 * for everybody's calls (max_workers, 20 by default), and each command that QEMU has not answered holds
 * one of them, also when who sent it has been killed: QEMUs that hang together would leave none for
 * virsh, nor for the guest agent of a guest that is frozen.
 *
 * A turn is a lock (fcntl, F_SETLK) on a byte of a file that the daemon shares with all programs
 * of a URI.  A program has it for as long as libvirt's call lasts, which is as long as the worker is
 * held; the kernel takes it back when the program ends.  Commands of the guest agent have
 * a time limit in libvirt, and take none. */
#ifndef PULLBACK_LIBVIRT_TURN_H
#define PULLBACK_LIBVIRT_TURN_H

#include <stdbool.h>
#include <sys/types.h>

#include "cleanup.h"

/* For each URI.  A quarter of the workers that libvirtd has by default. */
#define LIBVIRT_TURNS 5
/* Of those, for QEMUs that have not answered lately, which may hang like the others. */
#define LIBVIRT_TURNS_UNPROVEN 4

/* --- the daemon; any thread ------------------------------------------------------- */

/* The file for URI, which is the daemon's as long as that lives; or -errno. */
int libvirt_turn_file (const char *uri) WARN_UNUSED;

/* Has the process PID a turn?  One whose socket is closed, and that has none, takes none. */
bool libvirt_turn_is_held (const char *uri, pid_t pid);

/* --- the program; one thread ------------------------------------------------------- */

/* Takes one of the turns of FILE, or waits for it, WAIT_MS at most; PROVEN: of all of them.  Its
 * number, or -EBUSY. */
int libvirt_turn_take (int file, bool proven, int wait_ms) WARN_UNUSED;
void libvirt_turn_return (int file, int turn);

#endif
