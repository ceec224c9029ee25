/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One backup of one domain, from begin to commit or abort.
 *
 * Owned by the domain's thread; a domain has at most one.  Every step has a
 * name and an undo (backup-steps.c); the journal file is written before
 * the first step and after each, so that backup_recover can undo after a crash.
 *
 *   begin  --> READY --> commit                     (tentative -> committed)
 *                  `---> abort, TTL, QEMU gone       (merged back)
 *                  `---> BROKEN --> abort            (merged back at once; the
 *                                                   exports answer EIO until then)
 *         commit --> ENDING --> gone               (committed, but QEMU has not
 *                                                   let go of it yet)
 */
#ifndef PULLBACK_BACKUP_H
#define PULLBACK_BACKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include "catalog.h"
#include "checkpoint-disks.h"
#include "control-commands.h"
#include "failure.h"
#include "qmp.h"

/* Whom a gateway becomes. */
struct backup_user {
  const char *name;             /* NULL: nobody else than the daemon */
  uid_t uid;                    /* of NAME, or the daemon's */
  gid_t gid;
};

/* Folders and sockets of a domain, which has them longer than its backup.  All absolute; see
 * FILES in pullback-backupd.pod. */
struct backup_paths {
  const char *private_folder;   /* RUNTIME/DOMAIN */
  const char *client_socket;    /* RUNTIME/DOMAIN.sock */
  const char *scratch_folder;   /* SCRATCH/DOMAIN */
  const char *maps_folder;      /* RUNTIME/.maps/DOMAIN: NAME.present, in memory */
  uint64_t scratch_limit;       /* bytes that all backups together may store; 0: any */
  int sink_limit_ms;            /* of a write to the scratch folder; 0: none */
  const char *pace_folder;      /* RUNTIME/.pace: pace files of devices, and of the host */
  uint64_t max_rate;            /* bytes per second of all backups; 0: any */
  uint64_t pace_floor;          /* what a guest that works leaves a pull; 0: the default */
  int sink_wait;                /* seconds that QEMU waits for a sink; 0: for ever */
  struct backup_user gateway;
  const char *journal;          /* STATE/DOMAIN/job.json */
  const char *quiesce_journal;  /* STATE/DOMAIN/quiesce.json */
};

struct backup_options {
  const char *tag;              /* of qmp_tag_make: what it is known by in QEMU */
  const struct arguments_backup_begin *given;   /* as asked for; NULL: nobody has asked */
  /* What became of it, by documents, by the domain and by defaults. */
  const char *domain;
  const char *checkpoint;       /* create this one; NULL: none */
  const char *description;      /* of that; NULL: none */
  const char *incremental;      /* base checkpoint; NULL: full */
  const char *consumer;         /* "default" */
  const char *agent;            /* guest agent's socket; NULL: none */
  bool quiesce;                 /* freeze the guest's file systems */
  const char *tcp;              /* "[ADDRESS:]PORT" or NULL: unix socket */
  int64_t ttl;                  /* seconds from READY on; 0: none */
  int64_t idle_timeout;         /* seconds without a client; 0: none */
  const char *client_socket;    /* that one; NULL: of struct backup_paths */
  const struct disk_choice *disks;      /* n_disks 0: all writable */
  size_t n_disks;
  struct disk_names names;      /* what the guest's disks are called; others keep QEMU's name */
  json_object *notes;           /* sentences for backup_info; may be NULL */
  /* Holds all that the lines above point to, for as long as the backup needs them.  May
   * be NULL. */
  void *owner;
  void (*destroy_owner) (void *owner);
};

struct process_child;

enum backup_state {
  BACKUP_READY, BACKUP_BROKEN, BACKUP_EXPIRED, BACKUP_YIELDS, BACKUP_FAILED,
  BACKUP_ENDING
};

struct backup;

/* Runs all steps up to READY.  Takes the owner of OPTIONS in any case; PATHS stay.  On failure everything is undone, last step
 * first, and VM, bitmaps, catalog and disks are as before; should QEMU not let
 * that happen, *BACKUP is set, broken, and backup_tick says BACKUP_FAILED. */
int backup_begin (const struct backup_options *options, const struct backup_paths *paths,
                  struct qmp *qmp, struct catalog *catalog, struct backup **backup,
                  struct failure *why) WARN_UNUSED;

/* Ends it, frees *BACKUP and sets it to NULL.  Commit of a broken backup fails
 * with FAILURE_BROKEN and leaves it as it is (abort it).  Commit fails only as long as
 * the checkpoint is not stored as committed: from then on what cannot be tidied up
 * stays as a backup that is ENDING, for backup_finish.  Where QEMU does not answer
 * nothing is done; a backup that QEMU does not let go of stays, broken, with its sink
 * running, and can be aborted again; its journal stays for backup_recover. */
int backup_commit (struct backup **backup, struct failure *why) WARN_UNUSED;
int backup_abort (struct backup **backup, struct failure *why) WARN_UNUSED;

/* Tidies up a backup that is ENDING, if QEMU answers at once. */
int backup_finish (struct backup **backup, struct failure *why) WARN_UNUSED;
bool backup_is_committed (const struct backup *backup);

/* Did its begin fail? */
bool backup_has_failed (const struct backup *backup);

/* Has the QEMU that runs it exited?  Waits up to TIMEOUT_MS for that. */
bool backup_has_lost_qemu (const struct backup *backup, int timeout_ms);

/* The process of its QEMU, for people; 0: not known. */
pid_t backup_qemu_process (const struct backup *backup);

/* The outcome of a backup whose QEMU is gone. */
const char *backup_exit_reason (const struct backup *backup);

/* QEMU is gone: ends what is left of it, without QMP. REASON goes to the log. */
void backup_end_without_qemu (struct backup **backup, const char *reason);

/* The daemon ends, and a backup that is READY goes on: leaves all of it to the next daemon's
 * backup_adopt.  False: it is not one that goes on. */
bool backup_hand_over (struct backup *backup);

/* The daemon ends, and QEMU does not let go: ends what QEMU does not need, and leaves
 * sink, stores and journal to the next daemon's backup_recover. */
void backup_leave (struct backup *backup);

/* To be called every BACKUP_TICK_MS: sees a broken fleece store or a job that
 * ended behind our back, and then detaches from QEMU and merges back.  (Children
 * that were killed are restarted by the watcher of process-child.h.)  Returns the state;
 * BACKUP_EXPIRED (a time limit ran out), BACKUP_YIELDS (the virtual machine is migrated,
 * and nothing of it is in QEMU any more) and BACKUP_FAILED (its begin has, and is not undone
 * yet) ask the caller to abort it, BACKUP_ENDING to call backup_finish. */
#define BACKUP_TICK_MS 200
enum backup_state backup_tick (struct backup *backup);

/* How its guest fares, while clients pull: to be called again within the
 * milliseconds that it returns.  Waits for nothing. */
int backup_pace_tick (struct backup *backup);

/* Why backup_tick said BACKUP_EXPIRED or BACKUP_YIELDS, or why it is broken or still
 * ending; NULL while ready. */
const char *backup_reason (const struct backup *backup);

/* Somebody still wants it: the idle timeout begins anew. */
void backup_keepalive (struct backup *backup);

/* The session was lost and QMP made anew: takes it (borrowed), if it is with the QEMU
 * that runs the backup. */
bool backup_set_qmp (struct backup *backup, struct qmp *qmp);

/* Of a domain event (BLOCK_JOB_*, JOB_STATUS_CHANGE ...) that may concern the backup. */
void backup_event (struct backup *backup, const char *event, json_object *data);

/* What BACKUP_SCRATCH has to tell: the members of the event but the domain, a new object;
 * NULL: nothing new.  To be asked at ticks. */
json_object *backup_scratch_event (struct backup *backup);

/* What backup-begin returns and backup-info shows, a new object with the members that
 * pullback-control-protocol.pod has. */
json_object *backup_info (const struct backup *backup);

/* The first thing of a daemon that comes back.  Where the journal tells of a backup that was
 * READY, and whose QEMU runs, takes it over without asking QEMU: QMP, borrowed, is lost, and
 * backup_set_qmp follows.  First its sink, which guest writes may wait for.  *BACKUP is NULL
 * where there is none to take over: then backup_revive_sink and backup_recover.  It is also
 * where it cannot be, which WHY tells. */
int backup_adopt (const struct backup_paths *paths, struct qmp *qmp, struct catalog *catalog,
                  struct backup **backup, struct failure *why) WARN_UNUSED;

/* How often it was taken over. */
unsigned backup_times_adopted (const struct backup *backup);

/* The next thing of a daemon that comes back, and again as long as it cannot
 * recover: where the journal tells of a QEMU
 * that lives and nobody serves its sink, starts one.  For backup_recover, or
 * process_child_leave; NULL: none was needed. */
struct process_child *backup_revive_sink (const struct backup_paths *paths) WARN_UNUSED;

/* How a backup ended that another daemon began. */
struct backup_end {
  char *outcome;                /* as people are told; NULL: there was none; g_free */
  json_object *info;            /* as backup_info had it before; NULL: not known */
};

/* After a daemon crash: if the journal exists, ends its children, undoes what QEMU and the
 * disk still hold of it (QMP may be NULL: QEMU is gone), merges the tentative checkpoint back and removes the journal.
 * *SINK, of backup_revive_sink, ends with it and becomes NULL; on failure it
 * stays.  Idempotent.  No journal: success.
 * *END, which becomes the caller's, is empty but in case of success.
 * CATALOG NULL, as it cannot be read: frees QEMU and the disks of all but the
 * checkpoint's bitmaps, which stay for the next call, as does the journal. */
int backup_recover (const struct backup_paths *paths, struct qmp *qmp,
                    struct catalog *catalog, struct process_child **sink,
                    struct backup_end *end, struct failure *why) WARN_UNUSED;

/* The domain is removed: so is what its backups keep for the next one. */
void backup_forget (const struct backup_paths *paths);

#endif
