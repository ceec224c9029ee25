/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checkpoints of a domain: making, deleting and redefining them, and settling what
 * a crash left (rules C1 to C9).
 *
 * The catalog says before what is going to happen to QEMU's bitmaps
 * (checkpoint-plan.h), so that it can be finished or undone from any point.  Threads: the domain's. */
#ifndef PULLBACK_CHECKPOINT_H
#define PULLBACK_CHECKPOINT_H

#include "catalog.h"
#include "checkpoint-disks.h"
#include "steps.h"

/* The domain that a call is about.  All borrowed. */
struct checkpoint_domain {
  const char *name;
  struct qmp *qmp;              /* NULL: QEMU is gone */
  struct catalog *catalog;
  const char *boot_id;          /* of the QEMU process; "": unknown */
  const char *quiesce_journal;  /* see quiesce-journal.h */
  struct disk_names named;      /* by domain-add */
};

/* Finishes what is half done: merges tentative checkpoints back, ends deletions,
 * removes our bitmaps that QEMU calls inconsistent, and leaves one recording
 * bitmap of the chain per disk.  Not while a backup runs; idempotent; to be called
 * before anything that looks at the chain. */
int checkpoint_settle (const struct checkpoint_domain *domain, struct failure *why) WARN_UNUSED;

/* Is anything half done in CATALOG? */
bool checkpoint_is_unsettled (const struct catalog *catalog);

/* Filled where a guest was to be quiesced. */
struct checkpoint_consistency {
  bool quiesced;                /* frozen throughout */
  const char *reason;           /* why not; static; NULL: it was */
  double ms;                    /* how long it was frozen */
};

struct checkpoint_create_options {
  const char *name;
  const char *description;      /* NULL: none */
  const char *consumer;         /* NULL: "default" */
  const struct disk_choice *disks;      /* n_disks 0: as in backups */
  size_t n_disks;
  const char *agent;            /* guest agent to quiesce by; NULL: do not */
  struct checkpoint_consistency *consistency;   /* NULL without agent */
};

/* Makes a checkpoint without a backup.  On failure all is as before. */
int checkpoint_create (const struct checkpoint_domain *domain,
                       const struct checkpoint_create_options *options,
                       struct failure *why) WARN_UNUSED;

struct checkpoint_delete_options {
  const char *name;
  const char *consumer;         /* whose they must be; NULL: "default" */
  bool children;                /* also all that descend from it */
  bool children_only;           /* these, but not itself */
  bool metadata;                /* the catalog's entries alone; QEMU may be gone */
};

/* Deletes, newest first.  DELETED (may be NULL) gets the names in that order. */
int checkpoint_delete (const struct checkpoint_domain *domain,
                       const struct checkpoint_delete_options *options,
                       json_object *deleted, struct failure *why) WARN_UNUSED;

/* Takes the bitmap NAME off all disks where no checkpoint has it, as forgotten ones leave
 * it; DISKS gets their names.  A checkpoint that has it, or no bitmap at all, is a failure. */
int checkpoint_remove_leftover (const struct checkpoint_domain *domain, const char *name,
                                json_object *disks, struct failure *why) WARN_UNUSED;

/* Adds C to the catalog as it is, or replaces the checkpoint of that name.
 * With VALIDATE (needs QEMU) each bitmap must be on its disk and sound, and record
 * if it is the newest of that disk and only then; they then count as made in the QEMU of
 * now, which is what tells bitmaps that cannot persist from somebody else's.  Images are those
 * that the catalog has of it, else those that have its bitmaps now, else unknown. */
int checkpoint_redefine (const struct checkpoint_domain *domain, const struct checkpoint *c,
                         bool validate, struct failure *why) WARN_UNUSED;

/* The tables of steps, for step-groups.c. */
extern const struct step checkpoint_create_steps[];
extern const size_t n_checkpoint_create_steps;
extern const struct step checkpoint_intent_steps[];
extern const size_t n_checkpoint_intent_steps;
extern const struct step checkpoint_delete_steps[];
extern const size_t n_checkpoint_delete_steps;
extern const struct step checkpoint_merge_back_steps[];
extern const size_t n_checkpoint_merge_back_steps;

#endif
