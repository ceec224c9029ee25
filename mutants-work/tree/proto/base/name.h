/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The grammar of names that cross processes, in one place.
 *
 *   disk        vda        [A-Za-z0-9_] then [A-Za-z0-9_.:+-], at most 128 bytes;
 *                          never '/', '@', '^', space or a leading dot
 *   label       dirty      same grammar as a disk
 *   checkpoint  mon        [A-Za-z0-9_-] then [A-Za-z0-9_.-], at most 200 bytes
 *                          (libvirt's pattern; file names and bitmap names fit)
 *   domain      vm1        same grammar as a checkpoint, at most 64 bytes
 *   export      vda, vda@dirty
 *   context     base:allocation, qemu:dirty-bitmap:backup-vda
 */
#ifndef PULLBACK_NAME_H
#define PULLBACK_NAME_H

#include <stdbool.h>
#include <stddef.h>

#include "cleanup.h"

#define EXPORT_NAME_MAX 4096    /* NBD protocol: strings are at most 4096 bytes */
#define CONTEXT_ALLOCATION "base:allocation"
#define CONTEXT_DIRTY_PREFIX "qemu:dirty-bitmap:"

bool name_is_disk (const char *name);
bool name_is_label (const char *name);
bool name_is_checkpoint (const char *name);
bool name_is_domain (const char *name);

/* "vda@dirty" from disk "vda" and label "dirty".  -ENAMETOOLONG if it does not
 * fit into SIZE bytes. */
int name_join (const char *disk, const char *label, char *name, size_t size) WARN_UNUSED;

/* Finds the '@' of "vda@dirty"; NULL for a plain disk.  Borrowed from NAME. */
const char *name_label (const char *name);

#endif
