/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a virtual machine of libvirt is when it is started the next time, and making a new one.  Both wait
 * no longer than TIMEOUT_MS for libvirt, and not for QEMU.  Threads: any. */
#ifndef PULLBACK_LIBVIRT_DEFINITION_H
#define PULLBACK_LIBVIRT_DEFINITION_H

#include <stdbool.h>

#include "failure.h"

/* Strings are its own; free it with libvirt_definition_clear. */
struct libvirt_definition {
  char *name, *uuid;
  char *state;                  /* "shut off", "running", "paused" ... */
  bool active;                  /* QEMU runs */
  bool saved;                   /* libvirt has its memory: virsh managedsave */
  char *xml;                    /* <domain>, with passwords */
};

/* Of DOMAIN, a UUID or name.  -ENOENT: libvirt has no such machine. */
int libvirt_definition_read (const char *uri, const char *domain, int timeout_ms,
                             struct libvirt_definition *definition, struct failure *why) WARN_UNUSED;
void libvirt_definition_clear (struct libvirt_definition *definition);

/* Defines NAME of UUID by XML.  Once more is the same as once. */
int libvirt_definition_store (const char *uri, const char *name, const char *uuid, const char *xml,
                              int timeout_ms, struct failure *why) WARN_UNUSED;

#endif
