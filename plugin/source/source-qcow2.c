/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The base is a chain of qcow2 images, read where its tables say.  What they
 * cannot say is asked of the relay, if there is one; so is everything from when
 * clusters may have been freed (rules D1 to D6 of docs/consistency.md). */
#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "checked-math.h"
#include "file-extents.h"
#include "log.h"
#include "qcow2-chain.h"
#include "source.h"
#include "source-probe.h"

/* Bounds the work of one call for extents; the caller asks again. */
#define EXTENT_STEPS 4096

struct source_qcow2 {
  struct source source;
  struct qcow2_chain *chain;
  struct source *relay;         /* NULL: none */
  char *disk;                   /* for messages */
  uint64_t disk_size;
  bool (*written) (void *context, uint64_t offset, uint64_t length);
  void *written_context;        /* both of struct source_config */
  pthread_mutex_t lock;         /* protects changed */
  bool changed;                 /* D3; never cleared */
};

static bool
is_changed (struct source_qcow2 *qcow2)
{
  bool changed;

  pthread_mutex_lock (&qcow2->lock);
  changed = qcow2->changed;
  pthread_mutex_unlock (&qcow2->lock);
  return changed;
}

static void
note_changed (struct source_qcow2 *qcow2)
{
  bool first;

  pthread_mutex_lock (&qcow2->lock);
  first = !qcow2->changed;
  qcow2->changed = true;
  pthread_mutex_unlock (&qcow2->lock);
  if (first)
    log_warning ("disk %s: a snapshot inside of its image was made or deleted, "
                 "or the image resized: from here on it is %s", qcow2->disk,
                 qcow2->relay != NULL ? "read through QEMU"
                 : "not read any more");
}

/* --- reading ------------------------------------------------------------ */

static int
read_raw (struct source *raw, struct io_ring_batch *batch, void *buffer,
          uint64_t length, uint64_t offset)
{
  int r = source_read (raw, batch, buffer, length, offset);

  if (r != -ENOBUFS)
    return r;
  r = io_ring_batch_read (batch);
  return r < 0 ? r : source_read (raw, batch, buffer, length, offset);
}

static int
read_relay (struct source_qcow2 *qcow2, struct io_ring_batch *batch,
            void *buffer, uint64_t length, uint64_t offset)
{
  return qcow2->relay == NULL ? -EIO
         : source_read (qcow2->relay, batch, buffer, length, offset);
}

/* D2: had the guest perhaps written any of what PLACE, at OFFSET, is a part of
 * when it was read?  Then the place may be another's. */
static bool
is_whole_gone (const struct source_qcow2 *qcow2,
               const struct qcow2_place *place, uint64_t offset)
{
  uint64_t start = round_down_pow2 (offset, place->whole);

  return qcow2->written == NULL ||
         qcow2->written (qcow2->written_context, start,
                         min_u64 (place->whole, qcow2->disk_size - start));
}

/* At once, so that it can be looked at when it has been read. */
static int
read_whole (struct source_qcow2 *qcow2, struct io_ring_batch *batch,
            const struct qcow2_place *place, char *buffer, uint64_t offset)
{
  int r = image_file_read (place->file, buffer, place->length, place->host);

  return is_whole_gone (qcow2, place, offset)
         ? read_relay (qcow2, batch, buffer, place->length, offset) : r;
}

/* Neighbours in the disk that are neighbours in the file become one request,
 * which is kept back until it is clear that it does not grow. */
struct reader {
  struct source_qcow2 *qcow2;
  struct io_ring_batch *batch;
  struct io_request pending;    /* length 0: none */
};

static int
flush_pending (struct reader *reader)
{
  int r = reader->pending.length == 0 ? 0
          : io_ring_batch_put (reader->batch, &reader->pending);

  reader->pending.length = 0;
  return r;
}

static int
read_file (struct reader *reader, const struct qcow2_place *place,
           char *buffer)
{
  struct io_request *pending = &reader->pending;
  int r;

  if (pending->length > 0 && pending->fd == place->file->fd &&
      pending->offset + pending->length == place->host &&
      pending->buffer + pending->length == buffer) {
    pending->length += place->length;
    return 0;
  }
  r = flush_pending (reader);
  *pending = image_file_request (place->file, buffer, place->length,
                                 place->host);
  return r;
}

static int
read_place (struct reader *reader, const struct qcow2_place *place,
            char *buffer, uint64_t offset)
{
  switch (place->kind) {
  case QCOW2_DATA:
    if (place->whole != 0)
      return read_whole (reader->qcow2, reader->batch, place, buffer, offset);
    return place->raw != NULL
           ? read_raw (place->raw, reader->batch, buffer, place->length,
                       place->host)
           : read_file (reader, place, buffer);
  case QCOW2_ZERO:
    memset (buffer, 0, place->length);
    return 0;
  default:
    return read_relay (reader->qcow2, reader->batch, buffer, place->length,
                       offset);
  }
}

static int
qcow2_read (struct source *source, struct io_ring_batch *batch, void *buffer,
            uint64_t length, uint64_t offset)
{
  struct source_qcow2 *qcow2 = (struct source_qcow2 *) source;
  struct reader reader = { .qcow2 = qcow2, .batch = batch };
  struct qcow2_place place;
  char *to = buffer;
  int r = 0;

  if (is_changed (qcow2))
    return read_relay (qcow2, batch, buffer, length, offset);
  for (; r == 0 && length > 0; length -= place.length) {
    qcow2_chain_map (qcow2->chain, offset, length, &place);
    r = read_place (&reader, &place, to, offset);
    to += place.length;
    offset += place.length;
  }
  return r < 0 ? r : flush_pending (&reader);
}

static unsigned
qcow2_way (struct source *source)
{
  return is_changed ((struct source_qcow2 *) source);
}

static int
qcow2_confirm (struct source *source, unsigned way)
{
  struct source_qcow2 *qcow2 = (struct source_qcow2 *) source;

  /* D3 */
  if (way != 0 || qcow2_chain_is_as_opened (qcow2->chain))
    return 0;
  note_changed (qcow2);
  return qcow2->relay != NULL ? -ESTALE : -EIO;
}

/* --- extents ------------------------------------------------------------ */

struct extent_list {
  struct source_extent *extents;
  size_t max, count;
};

/* False if there is no room. */
static bool
add_extent (struct extent_list *list, uint64_t length, bool hole)
{
  if (list->count > 0 && list->extents[list->count - 1].hole == hole) {
    list->extents[list->count - 1].length += length;
    return true;
  }
  if (list->count == list->max)
    return false;
  list->extents[list->count++] = (struct source_extent) { length, hole };
  return true;
}

/* One place whose extents only OTHER can tell; *LENGTH is how much it told. */
static int
add_extents_of (struct extent_list *list, struct source *other,
                uint64_t offset, uint64_t *length, bool *room)
{
  struct source_extent extents[32];
  size_t count = 32, i;
  uint64_t data_until = 0, told = 0;
  int r = source_extents (other, offset, *length, extents, &count,
                          &data_until);

  for (i = 0; r == 0 && i < count && *room; i++) {
    *room = add_extent (list, extents[i].length, extents[i].hole);
    told += *room ? extents[i].length : 0;
  }
  *length = told;
  return r;
}

/* Holes of the file.  What lies behind its end is none: it should be there. */
static int
add_sparse (const struct source_qcow2 *qcow2, struct extent_list *list,
            const struct qcow2_place *place, uint64_t offset,
            uint64_t *length, bool *room)
{
  struct source_extent extent;
  struct stat st;
  size_t count = 1;
  uint64_t data_until = 0;
  int r = file_extents (place->file->fd, place->host, place->length, &extent,
                        &count, &data_until);

  if (r == 0 && fstat (place->file->fd, &st) < 0)
    r = -errno;
  if (r < 0)
    return r;
  if (place->host + extent.length > (uint64_t) st.st_size ||
      (place->whole != 0 && is_whole_gone (qcow2, place, offset)))
    extent.hole = false;
  *room = add_extent (list, extent.length, extent.hole);
  *length = *room ? extent.length : 0;
  return 0;
}

/* *LENGTH: at most, and then how far it got. */
static int
add_place (struct source_qcow2 *qcow2, struct extent_list *list,
           uint64_t offset, uint64_t *length, bool *room)
{
  struct qcow2_place place;

  qcow2_chain_map (qcow2->chain, offset, *length, &place);
  *length = place.length;
  if (place.raw != NULL)
    return add_extents_of (list, place.raw, offset, length, room);
  if (place.kind == QCOW2_UNKNOWN)
    return qcow2->relay == NULL ? -EIO
           : add_extents_of (list, qcow2->relay, offset, length, room);
  if (place.kind == QCOW2_DATA && place.sparse)
    return add_sparse (qcow2, list, &place, offset, length, room);
  *room = add_extent (list, place.length, place.kind == QCOW2_ZERO);
  *length = *room ? place.length : 0;
  return 0;
}

static int
qcow2_extents (struct source *source, uint64_t offset, uint64_t length,
               struct source_extent *extents, size_t *count,
               uint64_t *data_until)
{
  struct source_qcow2 *qcow2 = (struct source_qcow2 *) source;
  struct extent_list list = { extents, *count, 0 };
  uint64_t at = offset, end = offset + length, n;
  bool changed = is_changed (qcow2), room = true;
  unsigned steps = 0;
  int r = 0;

  for (; !changed && r == 0 && room && at < end && steps < EXTENT_STEPS;
       at += n, steps++) {
    n = end - at;
    r = add_place (qcow2, &list, at, &n, &room);
  }
  /* D3 */
  if (!changed)
    changed = qcow2_confirm (source, 0) < 0;
  if (changed)
    return qcow2->relay == NULL ? -EIO
           : source_extents (qcow2->relay, offset, length, extents, count,
                             data_until);
  if (r == 0)
    *count = list.count;
  return r;
}

/* --- opening ------------------------------------------------------------ */

/* D9 */
static void
look_whether_right (struct source_qcow2 *qcow2,
                    const struct source_config *config)
{
  uint64_t offset;

  if (source_probe (&qcow2->source, qcow2->relay, config, qcow2->disk_size,
                    &offset) == 0)
    return;
  qcow2->changed = true;
  log_warning ("disk %s: what QEMU reads at %llu is not what its image has "
               "there: all of it is read through QEMU; please report this",
               qcow2->disk, (unsigned long long) offset);
}

static void
qcow2_read_ahead (struct source *source, bool ahead)
{
  const struct source_qcow2 *qcow2 = (struct source_qcow2 *) source;

  qcow2_chain_read_ahead (qcow2->chain, ahead);
}

static void
qcow2_close (struct source *source)
{
  struct source_qcow2 *qcow2 = (struct source_qcow2 *) source;

  qcow2_chain_close (qcow2->chain);
  source_close (qcow2->relay);
  pthread_mutex_destroy (&qcow2->lock);
  free (qcow2->disk);
  free (qcow2);
}

static const struct source_ops qcow2_ops = {
  .read = qcow2_read,
  .way = qcow2_way,
  .confirm = qcow2_confirm,
  .extents = qcow2_extents,
  .read_ahead = qcow2_read_ahead,
  .close = qcow2_close,
};

int
source_qcow2_open (const struct source_config *config, const char *disk,
                   uint64_t disk_size, struct source **result,
                   struct failure *why)
{
  struct source_qcow2 *qcow2 = calloc (1, sizeof *qcow2);
  struct source_config relay = {
    .kind = SOURCE_RELAY, .value = config->relay,
    .written = config->written, .written_context = config->written_context,
  };
  int r;

  if (qcow2 == NULL || (qcow2->disk = strdup (disk)) == NULL) {
    free (qcow2);
    return failure_set (why, FAILURE_GENERIC, ENOMEM, "no memory for disk %s",
                        disk);
  }
  qcow2->source.ops = &qcow2_ops;
  qcow2->disk_size = disk_size;
  qcow2->written = config->written;
  qcow2->written_context = config->written_context;
  pthread_mutex_init (&qcow2->lock, NULL);
  r = qcow2_chain_open (config, disk, disk_size, &qcow2->chain, why);
  if (r == 0 && config->relay != NULL) {
    relay.relay_cluster = qcow2_chain_cluster (qcow2->chain);
    r = source_relay_open (&relay, disk, disk_size, &qcow2->relay, why);
  }
  if (r < 0) {
    qcow2_close (&qcow2->source);
    return r;
  }
  if (qcow2->relay != NULL)
    look_whether_right (qcow2, config);
  *result = &qcow2->source;
  return 0;
}
