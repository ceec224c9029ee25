/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes one disk equal to another by writing only what differs.  Threads: one. */
#ifndef PULLBACK_DIFFER_JOB_H
#define PULLBACK_DIFFER_JOB_H

#include "differ-counts.h"
#include "differ-side.h"

struct differ_choice {
  bool no_trim;                 /* what is zeroed keeps its storage */
  bool zero_rest;               /* of a target that is larger */
  bool verify;                  /* what was written is read again */
};

struct differ_job {
  struct differ_choice choice;
  struct differ_side *source, *target;
  int stop;                     /* readable: end soon */
  /* Called about once a second. */
  void (*tell) (const struct differ_counts *counts, void *opaque);
  void *opaque;
};

/* 0: they are equal, and the target was flushed.  -EINTR: STOP; all that was written is right.  In each case the
 * COUNTS say how far it got, and the same can be run again, which finishes it.  Closes both sides.  Memory: some
 * 20 MiB, and some more for what the servers tell of zeros, whatever the size of the disks. */
int differ_job_run (const struct differ_job *job, struct differ_counts *counts, struct failure *why) WARN_UNUSED;

#endif
