/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a backup is made of: the struct behind backup.h.  Private to backupd/backup. */
#ifndef PULLBACK_BACKUP_MODEL_H
#define PULLBACK_BACKUP_MODEL_H

#include <glib.h>

#include "backup.h"
#include "backup-store-files.h"
#include "fleece-store.h"
#include "process-child.h"
#include "process-nbd.h"
#include "qmp-migration.h"
#include "qmp-names.h"
#include "qmp-survey.h"

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
  char *chain_node;             /* where they are; NULL: on the disk's */
  unsigned layer;               /* of that: 0 is the active image, 1 the next below it ...;
                                 * what is allocated above it is dirty, too */
  char **images;                /* the nodes from the disk's own to CHAIN_NODE, as they were
                                 * when that was planned; NULL: layer is 0 */
  uint64_t oldest_size;         /* what the disk has grown by since is dirty */
  uint64_t dirty_bytes;         /* after the import */
};

/* What a broken store takes; see backup-room.h. */
enum backup_room_state {
  BACKUP_ROOM_TAKEN, BACKUP_ROOM_LEAVES, BACKUP_ROOM_FREE,
  BACKUP_ROOM_STUCK             /* it cannot be emptied */
};

struct backup_room {
  enum backup_room_state state;
  struct backup_emptier emptier;        /* while it leaves */
};

struct backup_base;
struct backup_image;
struct backup_pace;
struct backup_served;

struct backup_disk {
  char *name;
  char *node;                   /* active layer */
  char *qdev;                   /* the guest's device, as QEMU calls it; "": none */
  bool in_use;                  /* see qmp-disk.h; of the plan alone */
  char *export_name;            /* what clients call it */
  char *export_bitmap;          /* what they call its changes; NULL: backup-NAME */
  char *asked_since;            /* checkpoint to start from; NULL: full */
  bool no_checkpoint;           /* the new checkpoint does not cover it */
  uint64_t size;
  uint64_t allocated_least;     /* bytes: nothing smaller is allocated in its images by itself;
                                 * 0: not known */
  int64_t cluster;              /* bytes of the largest one in its images; 0: they have none;
                                 * -1: not known */
  dev_t device;                 /* that its image is on, or is; 0: not known */
  char *image;                  /* its identity, of struct qmp_disk */
  const struct backup_base *base;       /* how it is read; NULL: recovered */
  int kills_server;             /* at begin: 1, QEMU's server would not survive to export
                                 * it; 0; or -errno where that is not known (-EAGAIN: not
                                 * asked yet) */
  GPtrArray *images;            /* struct backup_image, that the view reads itself, the
                                 * top first; empty where it reads none */
  bool no_failures;             /* of the guest's writes, up to the freeze */
  bool can_persist;
  bool incremental;
  const char *reason;           /* why full; static; "" when incremental */
  bool gap_before;              /* see catalog.h */
  uint64_t consecutive_fulls;   /* see backup-fulls.h */
  char *previous;               /* bitmap that records until the freeze; NULL: none */
  GPtrArray *since;             /* struct backup_since; the incremental's first */
  json_object *unanswered;      /* [{"checkpoint","reason"}]: those that it lacks */
  struct fleece_store *store;   /* watched from before the sink; NULL: none */
  struct backup_room room;
  struct backup_served *served; /* backup-served.h; NULL: not looked at yet */

  /* Names on QEMU's side, see qmp-names.h. */
  char sink_node[QMP_NAME_SIZE], filter_node[QMP_NAME_SIZE], job_id[QMP_NAME_SIZE];
  char relay_id[QMP_NAME_SIZE], access_node[QMP_NAME_SIZE];
  char import_id[QMP_NAME_SIZE], null_node[QMP_NAME_SIZE];
};

/* How far it has come: what the journal says of it. */
enum backup_phase {
  BACKUP_PHASE_BEGIN,           /* up to the last step; of an older journal: any */
  BACKUP_PHASE_READY,
  BACKUP_PHASE_BROKEN,          /* it was READY */
  BACKUP_PHASE_END,             /* it is being undone */
  BACKUP_PHASE_COMMITTED        /* it is being tidied up */
};

/* The virtual machine that it is of. */
struct backup_vm {
  struct qmp *qmp;              /* borrowed; NULL: QEMU is gone */
  struct catalog *catalog;      /* borrowed */
  char *uuid, *boot_id;         /* as they were at begin */
  uid_t uid;                    /* QEMU's, for the sockets it uses */
  gid_t gid;
  pid_t pid;
  char *folder;                 /* where it reaches sockets, see qmp-peer.h; NULL: in ours */
  char *label;                  /* of SELinux, for sockets that it uses; NULL: none */
  struct qmp_survey *survey;    /* while disks are planned, or looked at; else NULL */
  json_object *blockstats;      /* while disks are planned: QEMU's counts, if it has any */
  int iothreads;                /* at begin: 1, 0, or -errno where that is not known */
  bool ends;                    /* it has said so */
  bool shut_down;               /* by its guest, since it was last reset */
  bool unheard;                 /* the jobs may have ended while nobody listened */
};

/* Does QEMU have the bitmaps of the new checkpoint?  Where only "maybe" is known, its
 * jobs tell, as long as it is the QEMU that ran the backup. */
enum backup_frozen { FREEZE_NOT, FREEZE_MAYBE, FREEZE_DONE };

/* The point in time. */
struct backup_freeze {
  enum backup_frozen known;
  enum backup_frozen noted;     /* what the journal says of it */
  double ms;                    /* how long the transaction took */
  int64_t written_ms;           /* now_ms () when all images had been written out after it;
                                 * 0: not */
};

/* What a guest that was to be quiet came to. */
struct backup_quiet {
  struct quiesce *running;      /* while it is frozen */
  bool done;                    /* the point in time is of a frozen guest */
  const char *reason;           /* why not, though it was asked for; static */
  double ms;
};

/* The processes, and where they meet. */
struct backup_serving {
  struct process_child *sink, *view, *gateway;
  bool sink_begun;              /* one was started: QEMU may know of it */
  bool sink_leaves;             /* QEMU is made to let go of it */
  unsigned sink_deaths;         /* when it was last seen to be in use, ... */
  unsigned looked_deaths;       /* ... and when its files were last there */
  bool sink_needed;             /* QEMU kept a job or node of it at the last undo: it
                                 * and the stores must stay (rule Q2) */
  char *sink_socket, *view_socket, *memory_socket, *routes;
  char *qemu_socket;            /* of QEMU's NBD server, see backup-server.c */
  char *served;                 /* folder, see backup-served.h */
  struct process_nbd_front front;       /* for clients */
  bool known;                   /* where clients connect to */
  bool store_hangs;             /* it took longer than the sink's limit */
};

/* Of the virtual machine; see backup-migration.h. */
struct backup_migration {
  enum qmp_migration before;    /* as it was last seen */
  bool heard;                   /* there was an event since */
  int64_t again_ms;             /* not asked before this, in now_ms () */
};

/* Jobs of snapshots; see backup-snapshot.h. */
struct backup_snapshots {
  GPtrArray *old;               /* names of those that were over at the freeze */
  GPtrArray *unknown;           /* of jobs since that may be such ones */
  size_t early;                 /* events to come that are from before it */
};

struct backup_expiry {
  char *activity;               /* the gateway touches this file */
  int64_t activity_ns;          /* its modification time when last looked at */
  int64_t ready_ms, active_ms;  /* now_ms () of READY, and of the last client */
  char *reason;                 /* NULL: not expired */
};

struct backup {
  struct backup_options options;
  struct backup_paths paths;
  char tag[QMP_TAG_SIZE];       /* "": of a journal from before there were tags */
  int64_t started;              /* seconds since the epoch */
  bool recovered;               /* of a daemon that died: it may have frozen */
  bool whole;                   /* of such a one: all is known that READY takes */
  enum backup_phase phase;      /* as the journal has it */
  bool adopting;                /* its processes may run: another daemon's */
  unsigned adopted;             /* how often it was taken over */

  struct backup_vm vm;
  GPtrArray *disks;             /* struct backup_disk */
  json_object *skipped;         /* [{"name","reason"}] */
  json_object *notes;           /* sentences */
  struct backup_freeze freeze;
  struct backup_quiet quiet;
  struct backup_serving serving;
  struct backup_expiry expiry;
  struct scratch_figures *figures;      /* see backup-scratch.h; NULL: not open */
  struct backup_migration migration;
  struct backup_snapshots snapshots;
  struct backup_pace *pace;     /* NULL: not begun */
  bool room_is_free;            /* of all stores: it is broken */
  uint64_t freed;               /* bytes that they took, as the figures had it */
  unsigned scratch_told;        /* percent that the last event told of; 0: none */

  enum backup_state state;
  char *reason;                 /* why it is not ready; NULL while it is */
  char *yields;                 /* the same, where it is broken because the virtual
                                 * machine is migrated; else NULL */
  bool failed;                  /* its begin has, and QEMU has not let go of it */
  bool committed;               /* for good: whatever fails now, it was a success */
};

#define FOR_EACH_DISK(backup, disk) \
  for (guint i_ = 0; i_ < (backup)->disks->len && \
       ((disk) = g_ptr_array_index ((backup)->disks, i_), true); i_++)

#define FOR_EACH_IMAGE(disk, image) \
  for (guint k_ = 0; k_ < (disk)->images->len && \
       ((image) = g_ptr_array_index ((disk)->images, k_), true); k_++)

#define FOR_EACH_SINCE(disk, one) \
  for (guint j_ = 0; j_ < (disk)->since->len && \
       ((one) = g_ptr_array_index ((disk)->since, j_), true); j_++)

/* Takes the owner of OPTIONS, and borrows what PATHS names.  TAG: of qmp-names.h. */
struct backup *backup_model_create (const struct backup_options *options,
                                    const struct backup_paths *paths, const char *tag);
void backup_model_destroy (struct backup *backup);

/* QEMU reaches sockets in FOLDER: the sink's is to be there. */
void backup_model_set_folder (struct backup *backup, const char *folder);

/* checkpoint_settle, with N NAMED nodes. */
int backup_model_settle (struct backup *backup, const struct disk_choice *named, size_t n,
                   struct failure *why) WARN_UNUSED;

/* Adds a disk with its QEMU-side names. */
struct backup_disk *backup_model_add_disk (struct backup *backup, const char *name, const char *node);

/* Makes the survey of VM, with its graph; who is done with it destroys it, and sets it to
 * NULL, also where this fails. */
int backup_model_survey (struct backup_vm *vm, struct failure *why) WARN_UNUSED;

/* May clients give back what they have read? */
bool backup_model_consume (const struct backup *backup);

#endif
