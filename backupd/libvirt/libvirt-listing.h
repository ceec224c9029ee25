/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvirt's own checkpoints and snapshots of a virtual machine.  Threads: any. */
#ifndef PULLBACK_LIBVIRT_LISTING_H
#define PULLBACK_LIBVIRT_LISTING_H

#include <json-c/json.h>

#include "failure.h"

/* Of the machine UUID: a new object, as libvirt-names.h has it.  Does not wait for QEMU, and no
 * longer than TIMEOUT_MS for libvirt. */
int libvirt_listing_read (const char *uri, const char *uuid, int timeout_ms, json_object **names,
                          struct failure *why) WARN_UNUSED;

#endif
