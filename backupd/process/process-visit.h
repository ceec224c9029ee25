/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sockets in a folder of another user: that of QEMU, whose guest may have taken it over,
 * and which makes, renames and replaces there what it likes at any moment.
 *
 * So nothing is done there but with that user's rights, by a thread that has no others:
 * where a name leads does not matter then.  And what is made is made in the folder that was
 * looked at, whatever its path leads to a moment later.  Who may connect to a
 * socket there is for whoever accepts: the file may be exchanged for another, as may
 * any that its owner may remove.
 *
 * For struct process_place.  Threads: any.  Where we are not root it is done with our own
 * rights. */
#ifndef PULLBACK_PROCESS_VISIT_H
#define PULLBACK_PROCESS_VISIT_H

#include "process-listen.h"

/* Listens at PLACE, file mode 0600, in the place of whatever has that name there.  The folder must be
 * its user's or root's, and nobody else may write to it. */
int process_visit_listen (const struct process_place *place, int *fd, struct failure *why) WARN_UNUSED;

/* -errno. */
int process_visit_remove (const struct process_place *place) WARN_UNUSED;

/* What the kernel calls a socket that was made at PATH: the last part of it.  Others may make
 * one of that name elsewhere, but it is not our user's. */
const char *process_visit_name (const char *path);

#endif
