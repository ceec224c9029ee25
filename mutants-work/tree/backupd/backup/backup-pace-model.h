/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a backup knows of pacing.  Of the files backup-pace*.c alone. */
#ifndef PULLBACK_BACKUP_PACE_MODEL_H
#define PULLBACK_BACKUP_PACE_MODEL_H

#include "backup-pace.h"
#include "pace-file.h"
#include "pace-law.h"
#include "qmp-blockstats.h"

#define PACE_LOOKS 6            /* of a second and a little */

struct pace_device {
  char *path;
  struct pace *pace;
  int slot;                     /* -1: none is free */
  struct pace_law law;
  uint64_t limit;               /* what was said last */
  uint64_t counted;             /* of the pace file, at the last look */
  uint64_t taken_from;          /* the same, at the last answer */
  struct qmp_blockstats before; /* sums at the last answer ... */
  int64_t answered;             /* ... and when; 0: there is none */
};

struct backup_pace {
  char *path;                   /* of own */
  struct pace *own, *host;
  GPtrArray *devices;           /* struct pace_device */
  uint64_t owner;               /* of slots */
  int64_t pulled, looked;       /* when bytes were seen to be taken; last look */
  int64_t asked, ask_at;        /* ASKED 0: no question is on its way */
  int64_t patience;
  bool counts;                  /* QEMU counts for at least one disk */
  struct { int64_t at; uint64_t bytes; } looks[PACE_LOOKS];  /* of own; newest first */
};

/* The pace file of DISK's device. */
char *backup_pace_path (const struct backup *backup, const struct backup_disk *disk);

/* Has a client read within the last second? */
bool backup_pace_is_pulled (const struct backup_pace *pace);

#endif
