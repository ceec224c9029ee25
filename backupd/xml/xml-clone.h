/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A <domain> of a new virtual machine, made of that of another one, which may go on to exist and to
 * run: what a machine has for itself (name, UUID, MAC addresses, images, sockets, files that QEMU
 * writes) is new, or left for libvirt to choose.  Threads: reentrant. */
#ifndef PULLBACK_XML_CLONE_H
#define PULLBACK_XML_CLONE_H

#include <stddef.h>

#include <glib.h>

#include "failure.h"

struct xml_clone_disk {
  const char *target;           /* "vda", of the other machine and the new one */
  const char *path;             /* its image, a file */
  const char *format;           /* of that */
};

/* All borrowed for the call. */
struct xml_clone {
  const char *name, *uuid;      /* of the new one */
  const char *folder;           /* for files of the machine that are no images: logs, sockets */
  const struct xml_clone_disk *disks;
  size_t n_disks;
};

/* Of TEXT, as virsh dumpxml prints it.  Disks that WANTED has not are left out, but for those that
 * nobody writes to.  *XML is a new string.  Adds to NOTES, strings of g_malloc, a sentence for each
 * thing that people should know.  FAILURE_BAD_ARGUMENT: TEXT is no <domain>, or lacks a disk. */
int xml_clone_make (const char *text, const struct xml_clone *wanted, char **xml, GPtrArray *notes,
                    struct failure *why) WARN_UNUSED;

#endif
