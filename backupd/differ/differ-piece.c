/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is written is always what the source had when it was read just before, so that a
 * run that is cut off anywhere leaves parts that are equal and parts that are as they were, and
 * the next one finishes it. */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "checked-math.h"
#include "differ-piece.h"

/* --- sentences -------------------------------------------------------------- */

static int
failed (const struct differ_side *side, const char *verb, uint64_t offset,
        int error, struct failure *why)
{
  const char *advice = "see what its server says";

  if (error == ENOTCONN || error == ESHUTDOWN)
    advice = "see whether its server runs";
  else if (error == ENOSPC || error == EDQUOT)
    advice = "make room for it";
  else if (error == EPERM || error == EROFS)
    advice = "serve it so that it can be written";
  return failure_set (why, FAILURE_GENERIC, error, "the %s cannot be %s at "
                      "offset %" PRIu64 ": %s: %s, and run this again, which "
                      "goes on with what differs then",
                      differ_side_facts (side)->name, verb, offset,
                      error == ENOTCONN ? "the connection was lost"
                      : strerror (error), advice);
}

static int
not_kept (const struct differ_piece *piece, struct failure *why)
{
  return failure_set (why, FAILURE_GENERIC, EIO, "the target differs at offset "
                      "%" PRIu64 " from what was written there: see whether "
                      "somebody else writes to it, or whether its storage "
                      "keeps what it is given",
                      piece->span.offset + piece->runs[0].offset);
}

/* --- reading ------------------------------------------------------------------ */

static int
make_buffers (struct differ_piece *piece, struct failure *why)
{
  if (piece->source == NULL)
    piece->source = malloc (DIFFER_PIECE);
  if (piece->target == NULL)
    piece->target = malloc (DIFFER_PIECE);
  return piece->source != NULL && piece->target != NULL ? 0
         : failure_set (why, FAILURE_GENERIC, ENOMEM, "no memory");
}

/* LENGTH bytes of PIECE, zeros behind the end of SIDE. */
static int
read_side (struct differ_side *side, struct differ_piece *piece,
           unsigned char *buffer, struct differ_request *request,
           struct failure *why)
{
  uint64_t size = differ_side_facts (side)->size, offset = piece->span.offset;
  uint32_t length = (uint32_t) piece->span.length, there = 0;

  if (offset < size)
    there = (uint32_t) min_u64 (length, size - offset);
  memset (buffer + there, 0, length - there);
  return there == 0 ? 0
         : differ_side_read (side, buffer, there, offset, request, why);
}

/* Zeroing it costs less than looking at what is there. */
static bool
is_zeroed_unread (const struct differ_work *work,
                  const struct differ_span *span)
{
  return span->source_zero && !span->target_zero && !work->verifying &&
         differ_side_facts (work->job->target)->zeroes;
}

static int
zero (const struct differ_work *work, struct differ_piece *piece, unsigned i,
      struct failure *why)
{
  const struct differ_run *run = &piece->runs[i];

  piece->writes[i].zero = true;
  return differ_side_zero (work->job->target, run->length,
                           piece->span.offset + run->offset,
                           work->job->choice.no_trim,
                           &piece->writes[i].request, why);
}

int
differ_piece_start (const struct differ_work *work, struct differ_piece *piece,
                    const struct differ_span *span, struct failure *why)
{
  const struct differ_job *job = work->job;
  uint32_t length = (uint32_t) span->length;
  int r;

  piece->span = *span;
  piece->n_runs = 0;
  piece->reads[0].error = piece->reads[1].error = 0;
  piece->state = DIFFER_PIECE_READING;
  if (is_zeroed_unread (work, span)) {
    piece->runs[piece->n_runs++] = (struct differ_run) {
      .length = length, .differing = length };
    piece->state = DIFFER_PIECE_WRITING;
    return zero (work, piece, 0, why);
  }
  r = make_buffers (piece, why);
  if (r == 0 && !span->source_zero)
    r = read_side (job->source, piece, piece->source, &piece->reads[0], why);
  if (r == 0 && !span->target_zero)
    r = read_side (job->target, piece, piece->target, &piece->reads[1], why);
  return r;
}

/* --- comparing ---------------------------------------------------------------- */

/* What the target has behind the source's end stays, unless it is to be zero. */
static void
keep_rest (const struct differ_work *work, struct differ_piece *piece,
           const unsigned char *target)
{
  uint64_t size = differ_side_facts (work->job->source)->size;
  uint64_t offset = piece->span.offset;

  if (!work->job->choice.zero_rest && offset + piece->span.length > size) {
    size_t there = (size_t) (size - offset);

    memcpy (piece->source + there, target + there,
            piece->span.length - there);
  }
}

static void
compare (const struct differ_work *work, struct differ_piece *piece)
{
  const unsigned char *target = piece->span.target_zero ? differ_blocks_zeros
                                : piece->target;
  const unsigned char *source = differ_blocks_zeros;

  if (!piece->span.source_zero) {
    source = piece->source;
    keep_rest (work, piece, target);
  }
  piece->n_runs = differ_blocks (source, target,
                                 (uint32_t) piece->span.length, work->block,
                                 piece->runs);
}

/* --- writing ------------------------------------------------------------------ */

static int
write_run (const struct differ_work *work, struct differ_piece *piece,
           unsigned i, struct failure *why)
{
  struct differ_side *target = work->job->target;
  const struct differ_run *run = &piece->runs[i];
  const unsigned char *bytes = piece->span.source_zero ? differ_blocks_zeros
                               : piece->source + run->offset;

  if (differ_side_facts (target)->zeroes &&
      differ_blocks_zero (bytes, run->length))
    return zero (work, piece, i, why);
  piece->writes[i].zero = false;
  return differ_side_write (target, bytes, run->length,
                            piece->span.offset + run->offset,
                            &piece->writes[i].request, why);
}

static int
write_runs (const struct differ_work *work, struct differ_piece *piece,
            struct failure *why)
{
  int r = 0;

  piece->state = DIFFER_PIECE_WRITING;
  /* What cannot be sent is not written. */
  for (unsigned i = 0; i < piece->n_runs; i++)
    piece->writes[i].request.error = ECANCELED;
  for (unsigned i = 0; i < piece->n_runs && r == 0; i++)
    r = write_run (work, piece, i, why);
  return r;
}

static void
count (struct differ_work *work, struct differ_piece *piece)
{
  struct differ_counts *counts = work->counts;
  uint64_t differing = 0;

  for (unsigned i = 0; i < piece->n_runs; i++) {
    const struct differ_run *run = &piece->runs[i];

    differing += run->differing;
    if (piece->writes[i].zero)
      counts->zeroed += run->length;
    else
      counts->written += run->length;
    if (work->written.words != NULL)
      differ_written_add (&work->written, piece->span.offset + run->offset,
                          run->length);
  }
  counts->done += piece->span.length;
  counts->differing += differing;
  counts->equal += piece->span.length - differing;
}

/* --- step by step ------------------------------------------------------------- */

bool
differ_piece_is_ready (const struct differ_piece *piece)
{
  if (piece->state == DIFFER_PIECE_READING)
    return !piece->reads[0].busy && !piece->reads[1].busy;
  for (unsigned i = 0; i < piece->n_runs; i++)
    if (piece->writes[i].request.busy)
      return false;
  return piece->state == DIFFER_PIECE_WRITING;
}

static int
after_reads (struct differ_work *work, struct differ_piece *piece,
             struct failure *why)
{
  if (piece->reads[0].error != 0)
    return failed (work->job->source, "read", piece->span.offset,
                   piece->reads[0].error, why);
  if (piece->reads[1].error != 0)
    return failed (work->job->target, "read", piece->span.offset,
                   piece->reads[1].error, why);
  compare (work, piece);
  if (!work->verifying)
    return write_runs (work, piece, why);
  piece->state = DIFFER_PIECE_FREE;
  work->counts->verified += piece->span.length;
  return piece->n_runs == 0 ? 0 : not_kept (piece, why);
}

static int
after_writes (struct differ_work *work, struct differ_piece *piece,
              struct failure *why)
{
  piece->state = DIFFER_PIECE_FREE;
  for (unsigned i = 0; i < piece->n_runs; i++)
    if (piece->writes[i].request.error != 0)
      return failed (work->job->target,
                     piece->writes[i].zero ? "zeroed" : "written",
                     piece->span.offset + piece->runs[i].offset,
                     piece->writes[i].request.error, why);
  count (work, piece);
  return 0;
}

int
differ_piece_go_on (struct differ_work *work, struct differ_piece *piece,
                    struct failure *why)
{
  return piece->state == DIFFER_PIECE_READING ? after_reads (work, piece, why)
         : after_writes (work, piece, why);
}

void
differ_piece_free (struct differ_piece *piece)
{
  free (piece->source);
  free (piece->target);
}
