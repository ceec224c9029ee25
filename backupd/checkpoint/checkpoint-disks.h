/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A domain's disks by the names that people know them by. */
#ifndef PULLBACK_CHECKPOINT_DISKS_H
#define PULLBACK_CHECKPOINT_DISKS_H

#include <json-c/json.h>

#include "qmp-disk.h"

/* A disk the user asked for by NAME=NODE; node NULL: find by name.  The rest
 * is what a <domainbackup> can say of a disk. */
struct disk_choice {
  const char *name;
  const char *node;
  const char *incremental;      /* base of this disk; NULL: the backup's */
  bool full;                    /* no base, whatever the backup's is */
  bool no_checkpoint;           /* the new checkpoint does not cover it */
  const char *export_name;      /* for clients; NULL: its name */
  const char *export_bitmap;    /* qemu:dirty-bitmap:...; NULL: backup-NAME */
};

/* Nodes that were given a name at domain-add: by hand, and by its <domain> XML,
 * whose targets are but other names for the guest's disks. */
struct disk_names {
  const struct disk_choice *choices;
  size_t n;
  const struct disk_choice *targets;
  size_t n_targets;
};

/* All disks of QEMU, those of NAMED under their names and first.  A named node
 * that QEMU lacks now is left out. */
int checkpoint_disks_query (struct qmp *qmp, const struct disk_names *named,
                            struct qmp_disks *disks, struct failure *why) WARN_UNUSED;
/* The same of DISKS, which qmp_disks_query has found; none, on failure. */
int checkpoint_disks_name (struct qmp *qmp, const struct disk_names *named,
                           struct qmp_disks *disks, struct failure *why) WARN_UNUSED;

/* The first disk called NAME that has a medium; NULL if there is none. */
const struct qmp_disk *checkpoint_disks_find (const struct qmp_disks *disks, const char *name);

/* Why DISK cannot be backed up, as "empty"; NULL: it can.  Whether it is written to unseen
 * (N7) only where qmp_device_look has looked. */
const char *checkpoint_disks_unusable (const struct qmp_disk *disk);

/* The disks that a backup or checkpoint of DOMAIN covers: the N CHOICES (each must
 * be there and usable), else those NAMED, else all that are usable.  At least
 * one.  SKIPPED (may be NULL) gets [{"name","reason"}] of the others. */
int checkpoint_disks_choose (struct qmp *qmp, const char *domain,
                             const struct disk_choice *choices, size_t n,
                             const struct disk_names *named, struct qmp_disks *disks,
                             json_object *skipped, struct failure *why) WARN_UNUSED;

/* Where the bitmap called NAME is on DISK: on the active image (0), or on the I-th below it
 * (I); of several the lowest.  -1 and a *BITMAP of NULL: there is none. */
int checkpoint_disks_layer (const struct qmp_disk *disk, const char *name,
                            const struct qmp_bitmap **bitmap);

/* Fails if DISK, or an image below it (rule C11), holds a bitmap by which the new checkpoint
 * NAME would go. */
int checkpoint_disks_check_free (const struct qmp_disk *disk, const char *name,
                                 struct failure *why) WARN_UNUSED;

#endif
