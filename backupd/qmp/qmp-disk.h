/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What QEMU tells about its disks and bitmaps, as structs.  Whoever is given one
 * owns it; threads and errors as in qmp.h. */
#ifndef PULLBACK_QMP_DISK_H
#define PULLBACK_QMP_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "qmp.h"
#include "qmp-lower.h"

/* A guest device with a medium, or a node the caller named. */
struct qmp_disk {
  char *name;                   /* see qmp_disks_query */
  char *device;                 /* QEMU's "device" (backend) name, "" if none */
  char *qdev;                   /* id or QOM path of the guest device, "" if none */
  char *node;                   /* node name of the active layer, "" if empty */
  char *filter;                 /* of a job, next above it; "" if none */
  bool in_use;                  /* by a guest's device, or in qemu-storage-daemon as one; false:
                                 * a node the caller named, whatever it is */
  char *driver;                 /* format driver of that node: raw, qcow2, ... */
  char *filename;               /* as QEMU prints it; may be "json:..." */
  char *image;                  /* of qmp_survey_image_text; g_free */
  char *boot_id;                /* of qmp_boot_id: the QEMU it is in; g_free */
  bool bitmaps_migrated;        /* bitmaps that cannot persist came with the virtual
                                 * machine when it migrated to this QEMU; false where
                                 * none is left, or it does not say */
  uint64_t size;                /* bytes the guest sees */
  bool empty;                   /* drive without medium */
  bool read_only;
  const char *unseen;           /* how it may be written to without QEMU's knowing, of
                                 * qmp_device_look; NULL: it may not, or nobody looked */
  bool can_persist_bitmaps;     /* qcow2 with compat >= 1.1 */
  struct qmp_bitmap *bitmaps;   /* of the node, in QEMU's order: means nothing */
  size_t n_bitmaps;
  struct qmp_lower *lower;      /* the images below it */
  size_t n_lower;
  bool lower_unseen;            /* there are others, below these or between them */
};

struct qmp_disks {
  struct qmp_disk *disks;
  size_t n;
  struct qmp_survey *survey;    /* in which qmp_disks_query found them, with its graph; NULL:
                                 * none */
};

/* All drives of guest devices (query-block where it exists and shows any), else
 * (qemu-storage-daemon) the nodes that are exported or are the root of a graph.
 * The name is the guest device's qdev id ("vda" out of
 * "/machine/peripheral/vda/virtio-backend"), else the node name if a person gave
 * it, else the backend name ("drive0"), else the node name.
 * Empty and read-only drives are included and flagged. Filters that a running
 * backup job inserted are looked through: the node is the disk's own active
 * layer as query-block shows it with the job's filter skipped. */
int qmp_disks_query (struct qmp *qmp, struct qmp_disks *disks, struct failure *why) WARN_UNUSED;

/* One node by its name, as a disk called NAME.  FAILURE_DISK_NOT_FOUND. */
int qmp_disk_query (struct qmp *qmp, const char *node, const char *name,
                    struct qmp_disk *disk, struct failure *why) WARN_UNUSED;

void qmp_disk_clear (struct qmp_disk *disk);
void qmp_disks_clear (struct qmp_disks *disks);

/* The bitmap called NAME; NULL if there is none.  Borrowed. */
const struct qmp_bitmap *qmp_disk_bitmap (const struct qmp_disk *disk, const char *name);

#endif
