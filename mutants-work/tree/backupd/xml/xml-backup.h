/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* <domainbackup mode='pull'>, libvirt's description of a backup. */
#ifndef PULLBACK_XML_BACKUP_H
#define PULLBACK_XML_BACKUP_H

#include <stdbool.h>
#include <stddef.h>

#include <glib.h>

#include "failure.h"

/* Of an export's name and a bitmap's name for clients; NBD allows 4096. */
#define XML_EXPORT_NAME_MAX 1000

struct xml_backup_disk {
  char *name;                   /* target, or absolute path of the source */
  bool backup;                  /* false: backup='no', nothing else counts */
  bool full;                    /* backupmode='full' */
  char *incremental;            /* of this disk; NULL: the job's, if any */
  char *export_name;            /* NULL: the disk's */
  char *export_bitmap;          /* NULL: backup-DISK */
  char *scratch;                /* file or device; pullback has its own */
};

enum xml_transport { XML_TRANSPORT_DEFAULT, XML_TRANSPORT_UNIX,
                     XML_TRANSPORT_TCP };

struct xml_backup {
  char *incremental;            /* NULL: full */
  enum xml_transport transport; /* DEFAULT: there is no <server> */
  char *socket;                 /* of unix; absolute */
  char *address;                /* of tcp; NULL: loopback */
  unsigned port;                /* of tcp */
  bool has_disks;               /* else all disks that can be backed up */
  GPtrArray *disks;             /* struct xml_backup_disk */
  GPtrArray *notes;             /* sentences: what was asked for in vain */
};

/* FAILURE_BAD_ARGUMENT, naming element and value. */
int xml_backup_parse (const char *text, struct xml_backup **backup,
                      struct failure *why) WARN_UNUSED;

/* BACKUP as a document; free it with g_free. */
char *xml_backup_format (const struct xml_backup *backup);

struct xml_backup *xml_backup_create (void);
void xml_backup_destroy (struct xml_backup *backup);
struct xml_backup_disk *xml_backup_add_disk (struct xml_backup *backup, const char *name);

#endif
