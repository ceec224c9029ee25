/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a backup is made of: the struct behind backup.h.  Private to backupd/backup. */
#ifndef PULLBACK_BACKUP_MODEL_H
#define PULLBACK_BACKUP_MODEL_H

#include <glib.h>

#include "backup-image.h"
#include "backup.h"
#include "fleece-store.h"
#include "process-child.h"
#include "qmp-disk.h"
#include "qmp-names.h"

#define INCREMENTAL_LABEL "dirty"       /* vda@dirty */
#define SINCE_LABEL_PREFIX "since-"      /* vda@since-mon */
#define BACKUP_EXPORT_BITMAP "export"   /* temporary, on the disk's node */

/* One range "checkpoint to now" of a disk that the backup shows. */
struct backup_since {
  char *checkpoint;
  char *label;                  /* export DISK@LABEL, file DISK@LABEL.dirty */
  char *context;                /* qemu:dirty-bitmap:... of export DISK */
  char bitmap[QMP_NAME_SIZE];   /* QEMU's side, for the time of the import */
  GPtrArray *chain;             /* bitmaps to merge, oldest first; names owned */
  uint64_t oldest_size;         /* what the disk has grown by since is dirty */
  uint64_t dirty_bytes;         /* after the import */
};

struct backup_disk {
  char *name;
  char *node;                   /* active layer */
  char *qdev;                   /* the guest's device, as QEMU calls it; "": none */
  char *export_name;            /* what clients call it */
  char *export_bitmap;          /* what they call its changes; NULL: backup-NAME */
  char *asked_since;            /* checkpoint to start from; NULL: full */
  bool no_checkpoint;           /* the new checkpoint does not cover it */
  uint64_t size;
  char *source;                 /* of struct qmp_disk: image */
  struct backup_image *image;   /* read directly; NULL: relay */
  bool can_persist;
  bool incremental;
  const char *reason;           /* why full; static; "" when incremental */
  bool gap_before;              /* see catalog.h */
  uint64_t consecutive_fulls;   /* see backup-fulls.h */
  char *previous;               /* bitmap that records until the freeze; NULL: none */
  GPtrArray *since;             /* struct backup_since; the incremental's first */
  json_object *unanswered;      /* [{"checkpoint","reason"}]: those that it lacks */
  struct fleece_store *store;   /* watched from before the sink; NULL: none */

  /* Names on QEMU's side, see qmp-names.h. */
  char sink_node[QMP_NAME_SIZE], filter_node[QMP_NAME_SIZE], job_id[QMP_NAME_SIZE];
  char relay_id[QMP_NAME_SIZE], access_node[QMP_NAME_SIZE];
  char import_id[QMP_NAME_SIZE], null_node[QMP_NAME_SIZE];
};

/* Does QEMU have the bitmaps of the new checkpoint?  Where only "maybe" is known, its
 * jobs tell, as long as it is the QEMU that ran the backup. */
enum backup_freeze { FREEZE_NOT, FREEZE_MAYBE, FREEZE_DONE };

struct backup {
  char *domain;
  char tag[QMP_TAG_SIZE];    /* "": of a journal from before there were tags */
  char *checkpoint;             /* NULL: none is made */
  char *description;            /* of that; NULL: none */
  char *incremental;            /* NULL: full */
  char *consumer;
  GPtrArray *bases;             /* names of further base checkpoints */
  bool strict;
  char *tcp;                    /* as asked for; NULL: unix socket */

  /* client_socket: ours, or one that was asked for. */
  char *private_folder, *client_socket, *scratch_folder, *journal;
  char *maps_folder, *quiesce_journal;
  int sink_limit_ms;
  int sink_wait;                /* seconds; 0: for ever */
  char *sink_socket, *view_socket, *qemu_socket, *routes;

  struct qmp *qmp;              /* borrowed; NULL: QEMU is gone */
  struct catalog *catalog;      /* borrowed */
  char *domain_uuid, *boot_id;
  uid_t uid;                    /* QEMU's, for the sockets it uses */
  gid_t gid;
  pid_t pid;

  GPtrArray *disks;             /* struct backup_disk */
  json_object *skipped;         /* [{"name","reason"}] */
  json_object *notes;           /* sentences; NULL: none */
  struct process_child *sink, *view, *gateway;
  char *uri_prefix;             /* up to the export name */
  char *uri_suffix;             /* after it */

  bool store_hangs;             /* it took longer than sink_limit_ms */
  bool qemu_ends;               /* it has said so */
  enum backup_freeze freeze;    /* as far as known */
  enum backup_freeze noted;     /* and what the journal says */
  bool jobs_remain;             /* QEMU did not end them: the sink must stay */
  char *agent;                  /* guest agent's socket; NULL: do not quiesce */
  struct quiesce *quiesce;      /* while the guest is frozen */
  bool recovered;               /* of a daemon that died: it may have frozen */
  bool quiesced;                /* the point in time is of a frozen guest */
  const char *not_quiesced;     /* why not, though it was asked for; static */
  double quiesced_ms;

  int64_t ttl, idle_timeout;    /* seconds; 0: none */
  char *activity;               /* the gateway touches this file */
  int64_t activity_ns;          /* its modification time when last looked at */
  int64_t ready_ms, active_ms;  /* now_ms () of READY, and of the last client */
  char *expired_reason;         /* NULL: not expired */

  bool committed;               /* for good: whatever fails now, it was a success */
  enum backup_state state;
  char *broken_reason;          /* why not ready; NULL while it is */
  int64_t started;              /* seconds since the epoch */
  double frozen_ms;
};

#define FOR_EACH_DISK(backup, disk) \
  for (guint i_ = 0; i_ < (backup)->disks->len && \
       ((disk) = g_ptr_array_index ((backup)->disks, i_), true); i_++)

#define FOR_EACH_SINCE(disk, one) \
  for (guint j_ = 0; j_ < (disk)->since->len && \
       ((one) = g_ptr_array_index ((disk)->since, j_), true); j_++)

/* TAG: of qmp-names.h. */
struct backup *backup_model_create (const struct backup_paths *paths, const char *domain,
                              const char *tag);
void backup_model_destroy (struct backup *backup);

/* checkpoint_settle, with N NAMED nodes. */
int backup_model_settle (struct backup *backup, const struct backup_disk_choice *named, size_t n,
                   struct failure *why) WARN_UNUSED;

/* Adds a disk with its QEMU-side names. */
struct backup_disk *backup_model_add_disk (struct backup *backup, const char *name, const char *node);

#endif
