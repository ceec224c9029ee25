/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What QEMU tells about its disks and bitmaps, as structs. */
#ifndef PULLBACK_QMP_BLOCK_H
#define PULLBACK_QMP_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "qmp.h"

struct qmp_bitmap {
  char *name;                   /* those without one are left out */
  uint64_t count;               /* dirty bytes */
  uint32_t granularity;
  bool recording, busy, persistent, inconsistent;
};

/* A guest device with a medium, or a node the caller named. */
struct qmp_disk {
  char *name;                   /* see qmp_query_disks */
  char *device;                 /* QEMU's "device" (backend) name, "" if none */
  char *qdev;                   /* id or QOM path of the guest device, "" if none */
  char *node;                   /* node name of the active layer, "" if empty */
  char *driver;                 /* format driver of that node: raw, qcow2, ... */
  char *filename;               /* as QEMU prints it; may be "json:..." */
  char *image;                  /* of qmp_image_text; g_free */
  char *boot_id;                /* of qmp_boot_id: the QEMU it is in; g_free */
  bool bitmaps_migrated;        /* of qmp_bitmaps_migrated; false where no bitmap is
                                 * left that cannot persist */
  uint64_t size;                /* bytes the guest sees */
  bool empty;                   /* drive without medium */
  bool read_only;
  bool can_persist_bitmaps;     /* qcow2 with compat >= 1.1 */
  struct qmp_bitmap *bitmaps;   /* of the node, in QEMU's order: means nothing */
  size_t n_bitmaps;
};

struct qmp_disks {
  struct qmp_disk *disks;
  size_t n;
};

/* All drives of guest devices (query-block where it exists and shows any), else
 * (qemu-storage-daemon) the nodes that are exported or are the root of a graph.
 * The name is the guest device's qdev id ("vda" out of
 * "/machine/peripheral/vda/virtio-backend"), else the node name if a person gave
 * it, else the backend name ("drive0"), else the node name.
 * Empty and read-only drives are included and flagged. Filters that a running
 * backup job inserted are looked through: the node is the disk's own active
 * layer as query-block shows it with the job's filter skipped. */
int qmp_query_disks (struct qmp *qmp, struct qmp_disks *disks, struct failure *why) WARN_UNUSED;

/* One node by its name, as a disk called NAME.  FAILURE_DISK_NOT_FOUND. */
int qmp_query_node (struct qmp *qmp, const char *node, const char *name,
                    struct qmp_disk *disk, struct failure *why) WARN_UNUSED;

void qmp_disk_clear (struct qmp_disk *disk);
void qmp_disks_clear (struct qmp_disks *disks);

/* The bitmap called NAME; NULL if there is none.  Borrowed. */
const struct qmp_bitmap *qmp_disk_bitmap (const struct qmp_disk *disk, const char *name);

/* Does a node in the backing chain below NODE hold a bitmap called NAME?  (An
 * external snapshot leaves it on the former active layer.)  1, 0 or -errno. */
int qmp_bitmap_is_below (struct qmp *qmp, const char *node, const char *name,
                         struct failure *why) WARN_UNUSED;

/* Did bitmaps that cannot persist come with the virtual machine when it migrated to
 * this QEMU?  False when it does not say. */
bool qmp_bitmaps_migrated (struct qmp *qmp);

/* --- a transaction that is built action by action ---------------------- */

struct qmp_transaction;

struct qmp_transaction *qmp_transaction_create (void);
void qmp_transaction_destroy (struct qmp_transaction *t);
bool qmp_transaction_is_empty (const struct qmp_transaction *t);

void qmp_transaction_bitmap_add (struct qmp_transaction *t, const char *node, const char *bitmap,
                                 uint32_t granularity, bool persistent, bool disabled);
void qmp_transaction_bitmap_remove (struct qmp_transaction *t, const char *node, const char *bitmap);
void qmp_transaction_bitmap_enable (struct qmp_transaction *t, const char *node, const char *bitmap);
void qmp_transaction_bitmap_disable (struct qmp_transaction *t, const char *node, const char *bitmap);
/* One action with N sources, all on NODE. */
void qmp_transaction_bitmap_merge (struct qmp_transaction *t, const char *node, const char *target,
                                   const char *const *sources, size_t n);
/* blockdev-backup sync=none auto-finalize auto-dismiss=false to node TARGET. */
void qmp_transaction_fleece (struct qmp_transaction *t, const char *job_id, const char *node,
                             const char *target, const char *filter_node);

/* Runs it (not consumed); all or nothing (QEMU rolls back). */
int qmp_transaction_run (struct qmp *qmp, struct qmp_transaction *t, int timeout_ms,
                         struct failure *why) WARN_UNUSED;

/* Runs its only action as the command of that name, which QEMU does not roll back. */
int qmp_transaction_run_alone (struct qmp *qmp, struct qmp_transaction *t, int timeout_ms,
                               struct failure *why) WARN_UNUSED;

/* --- single commands ----------------------------------------------------- */

/* blockdev-add of an NBD client node: unix SOCKET, EXPORT, read-write,
 * reconnect-delay seconds.  The connection is made before it returns. */
int qmp_nbd_node_add (struct qmp *qmp, const char *node, const char *socket, const char *export_name,
                      unsigned reconnect_delay, struct failure *why) WARN_UNUSED;
/* A disk of SIZE zeros, to export a bitmap of another node with. */
int qmp_null_node_add (struct qmp *qmp, const char *node, uint64_t size, struct failure *why) WARN_UNUSED;
/* A node that reads what a backup job's FILTER has frozen, and asks nobody for
 * permissions.  FAILURE_QMP_UNSUPPORTED where QEMU cannot, or may crash: 7.2 does when
 * a node is put above one that an iothread serves. */
int qmp_access_node_add (struct qmp *qmp, const char *node, const char *filter, struct failure *why) WARN_UNUSED;
/* No such node: success. */
int qmp_node_remove (struct qmp *qmp, const char *node, struct failure *why) WARN_UNUSED;
/* 1, 0, or -errno where QEMU does not say. */
int qmp_node_exists (struct qmp *qmp, const char *node, struct failure *why) WARN_UNUSED;

/* Also what was below it and is used by nobody else.  NODE itself must go. */
int qmp_node_remove_chain (struct qmp *qmp, const char *node, struct failure *why) WARN_UNUSED;

/* QEMU's one NBD server.  FAILURE_BUSY when somebody has started it already. */
int qmp_nbd_server_start (struct qmp *qmp, const char *socket, struct failure *why) WARN_UNUSED;
int qmp_nbd_server_stop (struct qmp *qmp, struct failure *why) WARN_UNUSED;

/* Read-only NBD export ID of NODE called NAME, with the bitmap BITMAP of BITMAP_NODE,
 * or without one (NULL).  QEMU refuses it where somebody may resize NODE (a FUSE
 * export does); a bitmap's node is not asked. */
int qmp_export_add (struct qmp *qmp, const char *id, const char *node, const char *name,
                    const char *bitmap_node, const char *bitmap, struct failure *why) WARN_UNUSED;
/* Removes it (mode hard) and waits until it is gone (BLOCK_EXPORT_DELETED, or
 * query-block-exports).  No such export: success. */
int qmp_export_remove (struct qmp *qmp, const char *id, int timeout_ms, struct failure *why) WARN_UNUSED;

/* Cancels job ID, waits until it has concluded, dismisses it.  No such job:
 * success.
 * The job's target should answer while this is called.  With a guest write on
 * its way to it, QEMU 7.2 fails that *guest write* with EIO if the target's
 * connection is down (the cancel also cancels the reconnect), and stops
 * answering QMP until the target replies if it hangs: -ETIMEDOUT then.  So
 * restart a dead sink before, and kill and restart one that hangs. */
int qmp_job_end (struct qmp *qmp, const char *id, int timeout_ms, struct failure *why) WARN_UNUSED;
/* "running", "concluded", ... or -ENOENT.  STATUS: at least 32 bytes. */
int qmp_job_status (struct qmp *qmp, const char *id, char *status, size_t size) WARN_UNUSED;
/* Writes the id of a block job that uses NODE's device into ID, or "". */
int qmp_job_of_device (struct qmp *qmp, const struct qmp_disk *disk, char *id, size_t size,
                       struct failure *why) WARN_UNUSED;

/* The numbers that the descriptors of set ID ("/dev/fdset/ID") have in QEMU's
 * process.  -ENOENT: no such set.  Free *FDS with free. */
int qmp_fdset (struct qmp *qmp, int64_t id, int **fds, size_t *n) WARN_UNUSED;

/* query-status "status" ("running", "paused", ...); "" on qemu-storage-daemon. */
int qmp_run_state (struct qmp *qmp, char *state, size_t size, struct failure *why) WARN_UNUSED;
/* query-uuid; "" where unknown. */
int qmp_uuid (struct qmp *qmp, char *uuid, size_t size, struct failure *why) WARN_UNUSED;

#endif
