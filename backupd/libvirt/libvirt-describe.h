/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A virtual machine as libvirt would start it, which QEMU is not asked for, and defining one.  One
 * line each on standard output, a socket, and the exit status; waits for libvirt as long as that
 * takes. */
#ifndef PULLBACK_LIBVIRT_DESCRIBE_H
#define PULLBACK_LIBVIRT_DESCRIBE_H

#include "libvirt-machine.h"

/* {"name", "uuid", "state": "shut off" ..., "active": BOOL, "managed-save": BOOL, "xml": TEXT}, of a machine
 * that is not active or is persistent, or {"error": TEXT, "errno": NUMBER}: ENOENT where there is no such
 * machine. */
int libvirt_describe_run (const struct libvirt_choice *choice);

/* Reads {"name", "xml": TEXT} from standard input, defines that machine, whose UUID is CHOICE's domain, and
 * says {"name", "uuid"} or {"error", "errno"}.  One that is there by this UUID and name is taken for it. */
int libvirt_describe_define (const struct libvirt_choice *choice);

#endif
