/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A checkpoint: what the catalog has of it, people describe and are shown.
 *
 * Texts are the checkpoint's own and freed with g_free, but for one that is made in
 * place to be copied.  Threads: reentrant. */
#ifndef PULLBACK_CATALOG_CHECKPOINT_H
#define PULLBACK_CATALOG_CHECKPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum checkpoint_state {
  CHECKPOINT_TENTATIVE,         /* its backup is not committed */
  CHECKPOINT_COMMITTED,
  CHECKPOINT_DELETING           /* is to go; see backupd/checkpoint */
};

struct checkpoint_disk {
  char *name;                   /* disk name, as in backups; people may give the
                                 * absolute path of its source */
  char *bitmap;                 /* its bitmap on that disk's node; NULL, not in
                                 * the catalog: called like the checkpoint */
  uint64_t size;                /* of the disk when it was made, bytes */
  bool gap_before;              /* no sound predecessor: a range that starts at
                                 * an older checkpoint cannot be answered.
                                 * The first checkpoint of a disk has one. */
  char *source;                 /* image it was on (qmp_survey_image_text); NULL:
                                 * unknown, and nothing since it is believed.  Another image
                                 * under the disk's name is another disk */
  char *lost;                   /* why the bitmap is known to be gone for good
                                 * ("bitmap-inconsistent"); NULL: it is not */

  /* Only in what people give and are shown. */
  bool left_out;                /* takes no part: checkpoint='no' */
  bool has_changed;
  uint64_t changed;             /* bytes dirty since then */
};

#define CATALOG_DESCRIPTION_MAX 16384   /* bytes that people may give */

struct checkpoint {
  char *name;                   /* NULL, not in the catalog: the time of creation */
  char *parent;                 /* NULL: a root */
  char *description;            /* NULL: none */
  char *consumer;               /* who owns it; "default" */
  char *domain_uuid;            /* "" where QEMU has none */
  char *boot_id;                /* identifies the QEMU process: bitmaps that
                                 * cannot persist end with it */
  int64_t creation_time;        /* seconds since the epoch */
  enum checkpoint_state state;
  bool has_disks;               /* of what people give: false stands for all disks
                                 * that can have a bitmap */
  struct checkpoint_disk *disks;
  size_t n_disks;
};

/* "tentative", "committed" or "deleting". */
const char *catalog_checkpoint_state (enum checkpoint_state state);
/* The other way; false if it is none of these. */
bool catalog_checkpoint_read_state (const char *text, enum checkpoint_state *state);

/* Empty, of CHECKPOINT_COMMITTED. */
struct checkpoint *catalog_checkpoint_create (void);
/* As the catalog has it: consumer, UUID and boot id are never NULL. */
struct checkpoint *catalog_checkpoint_copy (const struct checkpoint *c);
void catalog_checkpoint_destroy (struct checkpoint *c);

/* One that has only a name, borrowed until the next is added. */
struct checkpoint_disk *catalog_checkpoint_add_disk (struct checkpoint *c, const char *name);

/* The entry of DISK in C; NULL if C does not cover it. */
const struct checkpoint_disk *catalog_checkpoint_disk (const struct checkpoint *c, const char *disk);

bool catalog_checkpoint_is_utf8 (const struct checkpoint *c);

#endif
