/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A batch is cut into pieces.  A piece knows where its next read goes and what
 * to do with a result; whether io_uring or pread brings the result is all the
 * same to it.  One piece alone is read by pread: there is nothing to overlap.
 *
 * Rings are taken from a list, last in first out, so there are only as many
 * as batches ran at the same time, whatever nbdkit does with its threads. */
#include <config.h>

#include <errno.h>
#include <liburing.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bounce-pool.h"
#include "checked-math.h"
#include "io-ring.h"

#define PIECE_MAX BOUNCE_SIZE
#define DEPTH 64
#define RINGS_MAX 64

struct ring {
  struct io_uring uring;
  struct ring *next;
};

static pthread_mutex_t rings_lock = PTHREAD_MUTEX_INITIALIZER;
/* Protected by rings_lock. */
static struct ring *idle_rings;
static unsigned ring_total;
static bool no_rings;

struct piece {
  const struct io_request *request;
  char *target;                 /* where the bytes are wanted */
  uint32_t length;              /* how many */
  uint32_t head;                /* bytes read before them for alignment */
  char *bounce;                 /* NULL: read straight into target */
  uint64_t io_offset;
  uint32_t io_length;
  uint32_t done;                /* of io_length */
};

/* A batch under way. */
struct progress {
  const struct io_ring_batch *batch;
  size_t index;                 /* the request that is cut next */
  uint64_t position;            /* in it */
  struct piece pieces[DEPTH];
  struct piece *idle[DEPTH];
  unsigned idle_count;
  int error;
};

enum step { STEP_AGAIN, STEP_FINISHED };

int
io_ring_batch_add (struct io_ring_batch *batch,
                   const struct io_request *request)
{
  if (batch->count == IO_BATCH_MAX)
    return -ENOBUFS;
  batch->requests[batch->count++] = *request;
  return 0;
}

static bool
is_cut (const struct progress *progress)
{
  return progress->index == progress->batch->count;
}

static bool
wants_bounce (const struct io_request *request, const char *target,
              uint64_t offset, uint64_t length)
{
  return request->align != 0 &&
         (((offset | length) & (request->align - 1)) != 0 ||
          ((uintptr_t) target & (request->memory_align - 1)) != 0);
}

/* Cuts the next piece.  False if it needs a bounce buffer and there is none
 * (and nobody to wait for: WAIT is false). */
static bool
cut_piece (struct progress *progress, struct piece *piece, bool wait)
{
  const struct io_request *request =
    &progress->batch->requests[progress->index];
  uint64_t offset = request->offset + progress->position;
  uint64_t length = min_u64 (PIECE_MAX, request->length - progress->position);
  char *target = request->buffer + progress->position;
  char *bounce = NULL;
  uint32_t head = 0;
  uint64_t io_length = length;

  if (wants_bounce (request, target, offset, length)) {
    head = (uint32_t) (offset & (request->align - 1));
    length = min_u64 (length, PIECE_MAX - head);
    io_length = round_up_pow2 (head + length, request->align);
    bounce = bounce_pool_take (wait);
    if (bounce == NULL)
      return false;
  }
  piece->request = request;
  piece->target = target;
  piece->length = (uint32_t) length;
  piece->head = head;
  piece->bounce = bounce;
  piece->io_offset = offset - head;
  piece->io_length = (uint32_t) io_length;
  piece->done = 0;
  progress->position += length;
  if (progress->position == request->length) {
    progress->index++;
    progress->position = 0;
  }
  return true;
}

static char *
piece_buffer (const struct piece *piece)
{
  return piece->bounce != NULL ? piece->bounce : piece->target;
}

/* How many bytes from io_offset on there must be. */
static uint64_t
piece_needed (const struct piece *piece)
{
  uint64_t data_end = piece->request->data_end;
  uint64_t until_end = data_end > piece->io_offset
                       ? data_end - piece->io_offset : 0;

  return min_u64 ((uint64_t) piece->head + piece->length, until_end);
}

/* Counts what a read has brought.  False: that was the end of the file. */
static bool
piece_advance (struct piece *piece, uint32_t bytes)
{
  uint32_t align = piece->request->align;

  /* O_DIRECT goes on at a whole block only, so a part of one is read again; the
   * buffer is aligned there, too, as it wants no more of that. */
  if (align != 0 && piece->done + bytes < piece_needed (piece))
    bytes -= bytes & (align - 1);
  piece->done += bytes;
  return bytes > 0;
}

/* Takes the result of a read: -errno or bytes. */
static enum step
piece_take (struct progress *progress, struct piece *piece, int result)
{
  uint64_t needed = piece_needed (piece);
  int error = 0;

  if (result == -EINTR)
    return STEP_AGAIN;
  if (result < 0)
    error = result;
  else if (!piece_advance (piece, (uint32_t) result) && piece->done < needed)
    error = -EIO;
  else if (piece->done < needed)
    return STEP_AGAIN;
  else
    memset (piece_buffer (piece) + needed, 0, piece->io_length - needed);
  if (piece->bounce != NULL) {
    if (error == 0)
      memcpy (piece->target, piece->bounce + piece->head, piece->length);
    bounce_pool_give (piece->bounce);
  }
  if (error != 0 && progress->error == 0)
    progress->error = error;
  return STEP_FINISHED;
}

static void
finish_by_pread (struct progress *progress, struct piece *piece)
{
  ssize_t r;

  do {
    r = pread (piece->request->fd, piece_buffer (piece) + piece->done,
               piece->io_length - piece->done,
               (off_t) (piece->io_offset + piece->done));
    if (r < 0)
      r = -errno;
  } while (piece_take (progress, piece, (int) r) == STEP_AGAIN);
}

static void
read_by_pread (struct progress *progress)
{
  struct piece piece;

  while (!is_cut (progress) && progress->error == 0) {
    if (!cut_piece (progress, &piece, true)) {
      progress->error = -ENOMEM;
      return;
    }
    finish_by_pread (progress, &piece);
  }
}

static struct ring *
ring_create (void)
{
  struct ring *ring = malloc (sizeof *ring);
  int r;

  if (ring == NULL)
    return NULL;
  r = io_uring_queue_init (DEPTH, &ring->uring, 0);
  if (r == 0)
    return ring;
  free (ring);
  pthread_mutex_lock (&rings_lock);
  ring_total--;
  if (r == -ENOSYS || r == -EPERM)
    no_rings = true;
  pthread_mutex_unlock (&rings_lock);
  return NULL;
}

static struct ring *
ring_take (void)
{
  struct ring *ring;
  bool create = false;

  pthread_mutex_lock (&rings_lock);
  ring = idle_rings;
  if (ring != NULL)
    idle_rings = ring->next;
  else if (!no_rings && ring_total < RINGS_MAX) {
    create = true;
    ring_total++;
  }
  pthread_mutex_unlock (&rings_lock);
  return create ? ring_create () : ring;
}

static void
ring_give (struct ring *ring)
{
  pthread_mutex_lock (&rings_lock);
  ring->next = idle_rings;
  idle_rings = ring;
  pthread_mutex_unlock (&rings_lock);
}

void
io_ring_free_all (void)
{
  struct ring *ring;

  while ((ring = idle_rings) != NULL) {
    idle_rings = ring->next;
    io_uring_queue_exit (&ring->uring);
    free (ring);
    ring_total--;
  }
  bounce_pool_free_all ();
}

/* There is a free submission entry for each piece: the ring is DEPTH deep. */
static void
enqueue (struct ring *ring, struct piece *piece)
{
  struct io_uring_sqe *sqe = io_uring_get_sqe (&ring->uring);

  if (sqe == NULL)
    abort ();
  io_uring_prep_read (sqe, piece->request->fd,
                      piece_buffer (piece) + piece->done,
                      piece->io_length - piece->done,
                      piece->io_offset + piece->done);
  io_uring_sqe_set_data (sqe, piece);
}

static void
enqueue_new (struct progress *progress, struct ring *ring)
{
  while (!is_cut (progress) && progress->idle_count > 0) {
    struct piece *piece = progress->idle[progress->idle_count - 1];
    bool alone = progress->idle_count == DEPTH;

    if (!cut_piece (progress, piece, alone)) {
      if (alone)
        progress->error = -ENOMEM;
      return;
    }
    progress->idle_count--;
    enqueue (ring, piece);
  }
}

static void
reap (struct progress *progress, struct ring *ring)
{
  struct io_uring_cqe *cqe;

  while (io_uring_peek_cqe (&ring->uring, &cqe) == 0) {
    struct piece *piece = io_uring_cqe_get_data (cqe);
    int result = cqe->res;

    io_uring_cqe_seen (&ring->uring, cqe);
    /* The ring may say -EAGAIN without end, where the kernel cannot wait for
     * the file by itself; pread can. */
    if (result == -EAGAIN)
      finish_by_pread (progress, piece);
    else if (piece_take (progress, piece, result) == STEP_AGAIN) {
      enqueue (ring, piece);
      continue;
    }
    progress->idle[progress->idle_count++] = piece;
  }
}

/* The kernel writes into the caller's buffers until each piece has completed,
 * so this never leaves early. */
static void
read_by_ring (struct progress *progress, struct ring *ring)
{
  unsigned i;
  int r;

  for (i = 0; i < DEPTH; i++)
    progress->idle[i] = &progress->pieces[i];
  progress->idle_count = DEPTH;
  for (;;) {
    if (progress->error == 0)
      enqueue_new (progress, ring);
    if (progress->idle_count == DEPTH)
      return;
    r = io_uring_submit_and_wait (&ring->uring, 1);
    if (r < 0 && r != -EINTR && r != -EAGAIN && r != -EBUSY)
      abort ();
    reap (progress, ring);
  }
}

int
io_ring_batch_read (struct io_ring_batch *batch)
{
  struct progress progress;
  struct ring *ring = NULL;

  progress.batch = batch;
  progress.index = 0;
  progress.position = 0;
  progress.error = 0;
  if (batch->count > 1 ||
      (batch->count == 1 && batch->requests[0].length > PIECE_MAX))
    ring = ring_take ();
  if (ring != NULL) {
    read_by_ring (&progress, ring);
    ring_give (ring);
  }
  else
    read_by_pread (&progress);
  batch->count = 0;
  return progress.error;
}

int
io_ring_batch_put (struct io_ring_batch *batch,
                   const struct io_request *request)
{
  int r = 0;

  if (batch->count == IO_BATCH_MAX)
    r = io_ring_batch_read (batch);
  return r < 0 ? r : io_ring_batch_add (batch, request);
}
