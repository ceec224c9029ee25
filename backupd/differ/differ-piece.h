/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One span at work: read, compared, written.  Many are at once.  Threads: one. */
#ifndef PULLBACK_DIFFER_PIECE_H
#define PULLBACK_DIFFER_PIECE_H

#include "differ-blocks.h"
#include "differ-job.h"
#include "differ-walk.h"

enum differ_piece_state { DIFFER_PIECE_FREE, DIFFER_PIECE_READING, DIFFER_PIECE_WRITING };

struct differ_write {
  struct differ_request request;
  bool zero;
};

struct differ_piece {
  enum differ_piece_state state;
  struct differ_span span;
  unsigned char *source, *target;       /* DIFFER_PIECE bytes each; from the first use on */
  struct differ_request reads[2];       /* of source and target */
  struct differ_run runs[DIFFER_RUNS_MOST];
  struct differ_write writes[DIFFER_RUNS_MOST];         /* of each run */
  unsigned n_runs;
};

/* What all pieces share. */
struct differ_work {
  const struct differ_job *job;
  struct differ_counts *counts;
  struct differ_written written;        /* with VERIFY */
  uint32_t block;                       /* what is written begins and ends at multiples of it */
  bool verifying;                       /* nothing is written: it must be equal */
};

/* SPAN is looked at; PIECE is free. */
int differ_piece_start (const struct differ_work *work, struct differ_piece *piece,
                        const struct differ_span *span, struct failure *why) WARN_UNUSED;

/* Has what was asked for been answered? */
bool differ_piece_is_ready (const struct differ_piece *piece);

/* The next step of one that is ready.  In the end it is free, and counted. */
int differ_piece_go_on (struct differ_work *work, struct differ_piece *piece, struct failure *why) WARN_UNUSED;

void differ_piece_free (struct differ_piece *piece);

#endif
