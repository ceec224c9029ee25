/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One thread: comparing is a small part of what the servers and the sockets cost, and
 * many requests under way keep those busy. */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "checked-math.h"
#include "deadline.h"
#include "differ-job.h"
#include "differ-piece.h"

/* Under way at once; each may have two buffers of DIFFER_PIECE. */
#define PIECES 32
#define TELL_MS 1000
/* For writes under way to be answered when it shall stop. */
#define DRAIN_MS 3000

struct run {
  struct differ_work work;
  struct differ_walk walk;
  struct differ_piece pieces[PIECES];
  struct differ_request flush;
  int64_t tell_at;
};

/* --- waiting -------------------------------------------------------------------- */

/* Until something is answered, or DEADLINE.  1: it shall stop; a STOP of -1 is never
 * readable. */
static int
wait_some (struct run *run, int stop, int64_t deadline, struct failure *why)
{
  const struct differ_job *job = run->work.job;
  struct differ_side *sides[] = { job->source, job->target };
  int64_t until = deadline < run->tell_at ? deadline : run->tell_at;
  int r = differ_side_wait (sides, 2, stop, until, why);

  if (now_ms () >= run->tell_at) {
    job->tell (run->work.counts, job->opaque);
    run->tell_at = now_ms () + TELL_MS;
  }
  return r;
}

/* What is under way is still answered: so as much as possible is known of it, and no
 * server has to do with a client that goes in the middle (nbdkit 1.32 may end at that). */
static void
drain (struct run *run)
{
  struct failure ignored = { .error = 0 };
  int64_t deadline = now_ms () + DRAIN_MS;
  int r = 0;

  for (;;) {
    bool busy = run->flush.busy || run->walk.source.request.busy ||
                run->walk.target.request.busy;

    for (unsigned i = 0; i < PIECES; i++) {
      struct differ_piece *piece = &run->pieces[i];
      bool ready = differ_piece_is_ready (piece);

      /* Others may have failed as well. */
      if (piece->state == DIFFER_PIECE_WRITING && ready &&
          differ_piece_go_on (&run->work, piece, &ignored) < 0)
        continue;
      busy = busy || (piece->state != DIFFER_PIECE_FREE && !ready);
    }
    if (r < 0 || !busy || ms_left (deadline) == 0)
      return;
    r = wait_some (run, -1, deadline, &ignored);
  }
}

static int
stopped (struct run *run, const char *what, struct failure *why)
{
  const struct differ_counts *counts = run->work.counts;

  drain (run);
  return failure_set (why, FAILURE_GENERIC, EINTR, "stopped by a signal %s: %"
                      PRIu64 " of %" PRIu64 " bytes are equal, and nothing "
                      "else was changed; run this again, which finishes it",
                      what, counts->done, counts->total);
}

/* --- one way over the disks ------------------------------------------------------ */

static bool
any_is_ready (const struct run *run)
{
  for (unsigned i = 0; i < PIECES; i++)
    if (differ_piece_is_ready (&run->pieces[i]))
      return true;
  return false;
}

static bool
any_is_busy (const struct run *run)
{
  for (unsigned i = 0; i < PIECES; i++)
    if (run->pieces[i].state != DIFFER_PIECE_FREE)
      return true;
  return false;
}

/* What has been answered. */
static int
go_on (struct run *run, struct failure *why)
{
  int r = 0;

  for (unsigned i = 0; i < PIECES && r == 0; i++)
    if (differ_piece_is_ready (&run->pieces[i]))
      r = differ_piece_go_on (&run->work, &run->pieces[i], why);
  return r;
}

/* Spans for PIECE, until one keeps it busy.  1: there is none now. */
static int
fill_one (struct run *run, struct differ_piece *piece, struct failure *why)
{
  struct differ_counts *counts = run->work.counts;
  struct differ_span span;

  while (differ_walk_next (&run->walk, &span)) {
    if (!span.source_zero || !span.target_zero)
      return differ_piece_start (&run->work, piece, &span, why);
    if (run->work.verifying)
      counts->verified += span.length;
    else {
      counts->done += span.length;
      counts->equal += span.length;
    }
  }
  return 1;
}

static int
fill (struct run *run, struct failure *why)
{
  int more = differ_walk_ask (&run->walk, why);

  while (more >= 0) {
    int r = 0;

    for (unsigned i = 0; i < PIECES && r == 0; i++)
      if (run->pieces[i].state == DIFFER_PIECE_FREE)
        r = fill_one (run, &run->pieces[i], why);
    if (r < 0)
      return r;
    more = differ_walk_ask (&run->walk, why);
    if (more == 0)
      break;
  }
  return more;
}

/* What failed for all is told by the first piece that knows where. */
static int
lost (struct run *run, int r, const struct failure *lost, struct failure *why)
{
  int told = go_on (run, why);

  return told < 0 ? told
         : failure_set (why, lost->class, -r, "%s (at offset %" PRIu64 ")",
                        lost->text, run->walk.at);
}

static int
walk (struct run *run, struct failure *why)
{
  int r = 0;

  while (r == 0) {
    struct failure one = { .error = 0 };

    r = go_on (run, why);
    if (r < 0)
      return r;
    r = fill (run, &one);
    if (r == 0 && run->walk.at >= run->walk.end && !any_is_busy (run))
      return 0;
    if (r == 0)
      r = wait_some (run, run->work.job->stop,
                     any_is_ready (run) ? 0 : INT64_MAX, &one);
    if (r < 0)
      return lost (run, r, &one, why);
  }
  return stopped (run, run->work.verifying ? "while it read again"
                  : "while it compared", why);
}

/* --- passes ------------------------------------------------------------------------ */

/* Also where nothing was written: an earlier run may have been ended before its flush. */
static int
flush (struct run *run, struct failure *why)
{
  struct differ_request *request = &run->flush;
  int r;

  run->work.counts->state = DIFFER_FLUSHING;
  r = differ_side_flush (run->work.job->target, request, why);
  while (r == 0 && request->busy)
    r = wait_some (run, run->work.job->stop, INT64_MAX, why);
  if (r > 0)
    return stopped (run, "before all was on stable storage", why);
  if (r == 0 && request->error != 0)
    return failure_set (why, FAILURE_STORAGE, request->error, "the target "
                        "cannot be flushed: %s: see what its server says, and "
                        "run this again", strerror (request->error));
  return r;
}

static int
verify (struct run *run, uint32_t grain, struct failure *why)
{
  const struct differ_job *job = run->work.job;

  run->work.counts->state = DIFFER_VERIFYING;
  run->work.verifying = true;
  /* Nothing is under way. */
  differ_walk_free (&run->walk);
  differ_walk_init (&run->walk, job->source, job->target,
                    run->work.counts->total, grain, job->choice.zero_rest);
  run->walk.zero_by_request = false;
  run->walk.only = &run->work.written;
  return walk (run, why);
}

static int
all_passes (struct run *run, struct failure *why)
{
  const struct differ_job *job = run->work.job;
  const struct differ_facts *source = differ_side_facts (job->source);
  uint32_t grain = (uint32_t) max_u64 (run->work.block, source->block);
  int r;

  if (job->choice.verify &&
      differ_written_init (&run->work.written, run->work.counts->total,
                           DIFFER_BLOCK_MOST) < 0)
    return failure_set (why, FAILURE_GENERIC, ENOMEM, "no memory");
  differ_walk_init (&run->walk, job->source, job->target,
                    run->work.counts->total, grain, job->choice.zero_rest);
  r = walk (run, why);
  if (r == 0)
    r = flush (run, why);
  if (r == 0 && job->choice.verify)
    r = verify (run, grain, why);
  return r;
}

/* How much is to be equal, and what is left. */
static int
measure (struct run *run, struct failure *why)
{
  const struct differ_job *job = run->work.job;
  const struct differ_facts *source = differ_side_facts (job->source);
  const struct differ_facts *target = differ_side_facts (job->target);
  struct differ_counts *counts = run->work.counts;

  if (source->size > target->size)
    return failure_set (why, FAILURE_GENERIC, ENOSPC, "the target has %" PRIu64
                        " bytes, and the source %" PRIu64 ": nothing was "
                        "written; make the target as large", target->size,
                        source->size);
  run->work.block = (uint32_t) max_u64 (DIFFER_BLOCK, target->block);
  counts->total = job->choice.zero_rest ? target->size
                  : min_u64 (round_up_pow2 (source->size, target->block),
                             target->size);
  counts->left = target->size - counts->total;
  return 0;
}

int
differ_job_run (const struct differ_job *job, struct differ_counts *counts,
                struct failure *why)
{
  struct run *run = calloc (1, sizeof *run);
  int r;

  if (run == NULL)
    return failure_set (why, FAILURE_GENERIC, ENOMEM, "no memory");
  *counts = (struct differ_counts) { .state = DIFFER_COMPARING };
  run->work.job = job;
  run->work.counts = counts;
  run->tell_at = now_ms () + TELL_MS;
  r = measure (run, why);
  if (r == 0)
    r = all_passes (run, why);
  drain (run);
  counts->state = r == 0 ? DIFFER_EQUAL
                  : r == -EINTR ? DIFFER_STOPPED : DIFFER_FAILED;
  /* First, as answers may still come into what goes then. */
  differ_side_close (job->source);
  differ_side_close (job->target);
  for (unsigned i = 0; i < PIECES; i++)
    differ_piece_free (&run->pieces[i]);
  differ_walk_free (&run->walk);
  differ_written_free (&run->work.written);
  free (run);
  return r;
}
