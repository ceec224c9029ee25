/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What libvirt has of its own about a virtual machine, which is none of ours. */
#ifndef PULLBACK_LIBVIRT_NAMES_H
#define PULLBACK_LIBVIRT_NAMES_H

#include "libvirt-machine.h"

/* Of each kind; of what is more only the number is told. */
#define LIBVIRT_NAMES_MOST 50

/* Says one line on standard output, a socket: {"checkpoints": [NAME], "snapshots": [NAME], "left-out":
 * NUMBER}, parents before their children, as far as libvirt tells; or {"error": TEXT}.  Waits for libvirt as long
 * as that takes, but not for QEMU.  The exit status. */
int libvirt_names_run (const struct libvirt_choice *choice);

#endif
