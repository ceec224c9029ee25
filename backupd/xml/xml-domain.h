/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* <domain> as virsh dumpxml prints it: how its disks are called, and what their images are. */
#ifndef PULLBACK_XML_DOMAIN_H
#define PULLBACK_XML_DOMAIN_H

#include <glib.h>

#include "failure.h"

struct xml_domain_disk {
  char *target;                 /* "vda" */
  char *source;                 /* file or device; NULL: another kind */
  char *alias;                  /* "virtio-disk0"; NULL: none, as if shut off */
  char *format;                 /* of its image; libvirt takes it for raw where none is said */
  char *unfit;                  /* why it is no disk to write back: "read-only"; NULL: it is */
};

struct xml_domain {
  char *name;                   /* NULL: none */
  char *uuid;                   /* NULL: none */
  GPtrArray *disks;             /* struct xml_domain_disk */
};

/* FAILURE_BAD_ARGUMENT.  Disks without a target are left out. */
int xml_domain_parse (const char *text, struct xml_domain **domain, struct failure *why) WARN_UNUSED;
void xml_domain_destroy (struct xml_domain *domain);

#endif
