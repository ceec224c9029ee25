/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* <domaincheckpoint>, as people give it, as they are shown it, and as
 * backupd/catalog stores it.
 *
 * What libvirt's format has no word for is in the <metadata> of its <domain>, as
 * elements of XML_OWN_NAMESPACE, so that a checkpoint that was shown can be
 * redefined whole and the document is still valid for libvirt's schema.  An
 * earlier form, with them at the root and as attributes of <disk>, is read too. */
#ifndef PULLBACK_XML_CHECKPOINT_H
#define PULLBACK_XML_CHECKPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "failure.h"

struct xml_checkpoint_disk {
  char *name;                   /* target, or absolute path of the source */
  bool bitmap;                  /* false: checkpoint='no' */
  char *bitmap_name;            /* NULL: the checkpoint's */
  bool has_size;
  uint64_t size;                /* bytes dirty since then */
  bool has_capacity;
  uint64_t capacity;            /* of the disk when it was made, bytes */
  bool gap_before;              /* see catalog.h */
  char *source, *lost;          /* see catalog.h */
};

struct xml_checkpoint {
  char *name;                   /* NULL: the time of creation */
  char *description;
  char *parent;
  bool has_time;
  int64_t creation_time;        /* seconds since the epoch */
  bool has_disks;               /* else all disks that can have a bitmap */
  GPtrArray *disks;             /* struct xml_checkpoint_disk */
  char *domain_name, *domain_uuid;      /* NULL: not told */
  char *consumer, *state, *boot_id;     /* NULL: not told */
};

/* FAILURE_BAD_ARGUMENT, naming element and value.  For a REDEFINE, name and
 * creationTime must be there; else what only the maker of a checkpoint knows
 * (parent, creationTime, domain, our own elements) is ignored. */
int xml_checkpoint_parse (const char *text, bool redefine, struct xml_checkpoint **checkpoint,
                          struct failure *why) WARN_UNUSED;

/* A document that xml_checkpoint_format wrote, or an earlier form of it, where a
 * disk's capacity is its size: LENGTH bytes of TEXT, called WHERE in sentences.  Bitmaps
 * may have any name. */
int xml_checkpoint_parse_stored (const char *text, size_t length, const char *where,
                                 struct xml_checkpoint **checkpoint,
                                 struct failure *why) WARN_UNUSED;

/* CHECKPOINT as a document; free it with g_free. */
char *xml_checkpoint_format (const struct xml_checkpoint *checkpoint);

struct xml_checkpoint *xml_checkpoint_create (void);
void xml_checkpoint_destroy (struct xml_checkpoint *checkpoint);
struct xml_checkpoint_disk *xml_checkpoint_add_disk (struct xml_checkpoint *checkpoint,
                                                     const char *name);

/* virsh's --diskspec "DISK[,checkpoint=no|bitmap][,bitmap=NAME]", where ",,"
 * is a comma, added to CHECKPOINT, which has its name already. */
int xml_checkpoint_add_diskspec (struct xml_checkpoint *checkpoint, const char *spec,
                                 struct failure *why) WARN_UNUSED;

#endif
