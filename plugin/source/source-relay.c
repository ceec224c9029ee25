/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The base is an NBD export, in practice QEMU's own of the live node.  A few
 * connections, each used by one request at a time.  A connection that died is
 * made anew once per request.
 *
 * Rule Q3: this process may be stopped, or get no processor time, and QEMU must
 * not wait for it.
 *
 * Rule D10: QEMU looks up where a cluster is and then reads there, and a guest write
 * in between may copy the cluster and give its place away.  That happens once to a
 * cluster: of two reads, one after the other, one is right. */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <libnbd.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "checked-math.h"
#include "deadline.h"
#include "log.h"
#include "name.h"
#include "socket.h"
#include "source.h"

#define CONNECTIONS 4
#define CONNECT_MS 20000        /* a view may get no processor for long */
#define STATUS_MAX (1u << 31)
/* For each byte of a reply, where it has many extents, of 8 bytes and a sector each at
 * worst: a quarter of what would fit.  More than 32 extents are not taken at a time: 2 MiB
 * of those of 64 KiB. */
#define STATUS_MANY 16

/* D10: a cluster of QEMU's formats is no larger, but for those that it does not
 * copy; and what a guest write is marked by. */
#define CLUSTER_MAX (UINT64_C (2) << 20)
#define GRANULE UINT64_C (65536)
/* How often is read what is not the same twice. */
#define READS_MAX 32

struct source_relay {
  struct source source;
  char *uri;
  uint64_t disk_size;
  bool (*written) (void *context, uint64_t offset, uint64_t length);
  void *written_context;        /* both of struct source_config */
  uint64_t cluster;             /* D10: so much may be copied at once */
  uint64_t reply_max;           /* in bytes */
  pthread_mutex_t lock;         /* protects idle and idle_count */
  pthread_cond_t given;
  struct nbd_handle *idle[CONNECTIONS];  /* NULL: not connected */
  unsigned idle_count;
};

static int
nbd_failure (struct failure *why, const struct source_relay *relay)
{
  int error = nbd_get_errno ();

  return failure_set (why, FAILURE_STORAGE, error > 0 ? error : EIO,
                      "cannot use the NBD server %s: %s", relay->uri,
                      nbd_get_error ());
}

static int
wait_connected (struct source_relay *relay, struct nbd_handle *nbd,
                struct failure *why)
{
  int64_t deadline = now_ms () + CONNECT_MS;

  while (nbd_aio_is_connecting (nbd)) {
    int left = ms_left (deadline);

    if (left == 0)
      return failure_set (why, FAILURE_TIMEOUT, ETIMEDOUT, "the NBD server %s "
                          "does not answer", relay->uri);
    if (nbd_poll (nbd, left) < 0)
      return nbd_failure (why, relay);
  }
  if (!nbd_aio_is_ready (nbd))
    return failure_set (why, FAILURE_STORAGE, ECONNRESET, "the NBD server %s "
                        "closed the connection", relay->uri);
  return 0;
}

static int
check_export (struct source_relay *relay, struct nbd_handle *nbd,
              struct failure *why)
{
  int64_t size = nbd_get_size (nbd);

  if (size < 0)
    return nbd_failure (why, relay);
  if ((uint64_t) size < relay->disk_size)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "the export %s has "
                        "%" PRIi64 " bytes but the disk has %" PRIu64 "; is it "
                        "the right export?", relay->uri, size,
                        relay->disk_size);
  return 0;
}

static int
relay_connect (struct source_relay *relay, struct nbd_handle **result,
               struct failure *why)
{
  struct nbd_handle *nbd = nbd_create ();
  int r;

  if (nbd == NULL)
    return nbd_failure (why, relay);
  if (nbd_add_meta_context (nbd, CONTEXT_ALLOCATION) < 0 ||
      nbd_aio_connect_uri (nbd, relay->uri) < 0)
    r = nbd_failure (why, relay);
  else
    r = wait_connected (relay, nbd, why);
  if (r == 0)
    r = check_export (relay, nbd, why);
  if (r < 0) {
    nbd_close (nbd);
    return r;
  }
  *result = nbd;
  return 0;
}

static struct nbd_handle *
take_connection (struct source_relay *relay)
{
  struct nbd_handle *nbd;

  pthread_mutex_lock (&relay->lock);
  while (relay->idle_count == 0)
    pthread_cond_wait (&relay->given, &relay->lock);
  nbd = relay->idle[--relay->idle_count];
  pthread_mutex_unlock (&relay->lock);
  return nbd;
}

static void
give_connection (struct source_relay *relay, struct nbd_handle *nbd)
{
  pthread_mutex_lock (&relay->lock);
  relay->idle[relay->idle_count++] = nbd;
  pthread_cond_signal (&relay->given);
  pthread_mutex_unlock (&relay->lock);
}

/* What one request asks of a connection; returns 0 or -errno. */
typedef int (*relay_ask) (struct nbd_handle *nbd, uint64_t size, void *question);

static int
ask (struct source_relay *relay, relay_ask ask_connection, void *question)
{
  struct nbd_handle *nbd = take_connection (relay);
  unsigned attempt;
  int r = -EIO;

  for (attempt = 0; attempt < 2; attempt++) {
    struct failure why = { 0 };

    if (nbd == NULL && relay_connect (relay, &nbd, &why) < 0) {
      log_warning ("%s", why.text);
      r = -EIO;                 /* NBD has no word for the rest */
      break;
    }
    r = ask_connection (nbd, relay->disk_size, question);
    if (nbd_aio_is_ready (nbd) == 1)
      break;
    /* Dead, or in a state that nobody can use. */
    nbd_close (nbd);
    nbd = NULL;
    if (r == 0)
      break;
  }
  give_connection (relay, nbd);
  return r;
}

static int
last_error (void)
{
  return nbd_get_errno () == ENOMEM ? -ENOMEM : -EIO;
}

/* The server may insist on whole blocks. */
static uint64_t
block_minimum (struct nbd_handle *nbd)
{
  int64_t minimum = nbd_get_block_size (nbd, LIBNBD_SIZE_MINIMUM);

  return minimum > 1 && (minimum & (minimum - 1)) == 0 && minimum <= 65536
         ? (uint64_t) minimum : 1;
}

struct read_question {
  char *buffer;
  uint64_t length, offset;
};

static int
chunk_is_in_buffer (void *unused, const void *chunk, size_t length,
                    uint64_t offset, unsigned status, int *error)
{
  return 0;
}

/* In one piece, as a reply that describes its holes is longer. */
static int
read_whole (struct nbd_handle *nbd, void *buffer, uint64_t length,
            uint64_t offset)
{
  nbd_chunk_callback callback = { .callback = chunk_is_in_buffer };
  uint32_t flags = nbd_can_df (nbd) == 1 ? LIBNBD_CMD_FLAG_DF : 0;

  return nbd_pread_structured (nbd, buffer, length, offset, callback, flags) < 0
         ? last_error () : 0;
}

static int
read_unaligned (struct nbd_handle *nbd, const struct read_question *q,
                uint64_t block, uint64_t size)
{
  uint64_t start = round_down_pow2 (q->offset, block);
  uint64_t end = min_u64 (round_up_pow2 (q->offset + q->length, block),
                          max_u64 (size, (uint64_t) nbd_get_size (nbd)));
  CLEANUP_FREE char *bounce = malloc (end - start);
  int r;

  if (bounce == NULL)
    return -ENOMEM;
  r = read_whole (nbd, bounce, end - start, start);
  if (r == 0)
    memcpy (q->buffer, bounce + (q->offset - start), q->length);
  return r;
}

static int
ask_read (struct nbd_handle *nbd, uint64_t size, void *question)
{
  const struct read_question *q = question;
  uint64_t block = block_minimum (nbd);

  if (((q->offset | q->length) & (block - 1)) != 0)
    return read_unaligned (nbd, q, block, size);
  return read_whole (nbd, q->buffer, q->length, q->offset);
}

/* May the guest have written any of the clusters around it? */
static bool
may_be_copied (const struct source_relay *relay, const struct read_question *q)
{
  uint64_t start = round_down_pow2 (q->offset, relay->cluster);
  uint64_t end = min_u64 (round_up_pow2 (q->offset + q->length,
                                         relay->cluster), relay->disk_size);

  return relay->written != NULL && relay->cluster > GRANULE &&
         relay->written (relay->written_context, start, end - start);
}

/* But for what the guest has written, which goes on changing and is thrown away. */
static bool
is_same (const struct source_relay *relay, const struct read_question *q,
         const char *again)
{
  uint64_t at, n;

  for (at = 0; at < q->length; at += n) {
    n = min_u64 (q->length - at, GRANULE - ((q->offset + at) & (GRANULE - 1)));
    if (memcmp (q->buffer + at, again + at, n) != 0 &&
        !relay->written (relay->written_context, q->offset + at, n))
      return false;
  }
  return true;
}

/* D10; R: how the first read went. */
static int
read_same_twice (struct source_relay *relay, struct read_question *q, int r)
{
  CLEANUP_FREE char *again = malloc (q->length);
  struct read_question other = { again, q->length, q->offset };
  unsigned reads;

  if (again == NULL)
    return -ENOMEM;
  for (reads = 1; reads < READS_MAX; reads++) {
    int before = r;

    r = ask (relay, ask_read, &other);
    if (r < 0 && before < 0)
      return r;
    if (r == 0 && before == 0 && is_same (relay, q, again))
      return 0;
    if (r == 0)
      memcpy (q->buffer, again, q->length);
  }
  return -EIO;
}

static int
relay_read (struct source *source, struct io_ring_batch *batch, void *buffer,
            uint64_t length, uint64_t offset)
{
  struct source_relay *relay = (struct source_relay *) source;
  struct read_question q = { buffer, 0, offset };
  int r = 0;

  for (; r == 0 && length > 0; length -= q.length) {
    q.length = min_u64 (length, relay->reply_max);
    r = ask (relay, ask_read, &q);
    if (may_be_copied (relay, &q))
      r = read_same_twice (relay, &q, r);
    q.buffer += q.length;
    q.offset += q.length;
  }
  return r;
}

struct extents_question {
  uint64_t offset, length;
  uint64_t many_max;            /* so much of it may have many extents */
  struct source_extent *extents;
  size_t max, count;
  uint64_t at;                  /* where the next extent of the answer starts */
};

static int
collect_extents (void *data, const char *context, uint64_t offset,
                 uint32_t *entries, size_t entry_count, int *error)
{
  struct extents_question *q = data;
  size_t i;

  if (strcmp (context, CONTEXT_ALLOCATION) != 0)
    return 0;
  for (i = 0; i + 1 < entry_count && q->count < q->max; i += 2) {
    uint64_t end = min_u64 (q->at + entries[i], q->offset + q->length);
    uint64_t start = max_u64 (q->at, q->offset);

    q->at += entries[i];
    if (end <= start)
      continue;
    q->extents[q->count].length = end - start;
    q->extents[q->count].hole = (entries[i + 1] & LIBNBD_STATE_ZERO) != 0;
    q->count++;
  }
  return 0;
}

static int
ask_status (struct nbd_handle *nbd, struct extents_question *q,
            uint64_t offset, uint64_t length, uint32_t flags)
{
  nbd_extent_callback callback = {
    .callback = collect_extents, .user_data = q,
  };

  q->count = 0;
  q->at = offset;
  return nbd_block_status (nbd, length, offset, callback, flags) < 0
         ? last_error () : 0;
}

/* The first extent alone may be long, which a few thousand are not. */
static int
ask_extents (struct nbd_handle *nbd, uint64_t size, void *question)
{
  struct extents_question *q = question;
  uint64_t block = block_minimum (nbd);
  uint64_t start = round_down_pow2 (q->offset, block);
  uint64_t end = min_u64 (round_up_pow2 (q->offset + q->length, block),
                          max_u64 (size, (uint64_t) nbd_get_size (nbd)));
  int r = 0;

  q->count = 0;
  if (nbd_can_meta_context (nbd, CONTEXT_ALLOCATION) == 1) {
    r = ask_status (nbd, q, start, end - start, LIBNBD_CMD_FLAG_REQ_ONE);
    if (r == 0 && q->at < end && q->at - start < q->many_max)
      r = ask_status (nbd, q, start, min_u64 (end - start, q->many_max), 0);
  }
  if (r < 0)
    return r;
  if (q->count == 0) {          /* the server does not say: data */
    q->extents[0].length = q->length;
    q->extents[0].hole = false;
    q->count = 1;
  }
  return 0;
}

static int
relay_extents (struct source *source, uint64_t offset, uint64_t length,
               struct source_extent *extents, size_t *count,
               uint64_t *data_until)
{
  struct source_relay *relay = (struct source_relay *) source;
  struct extents_question q = {
    .offset = offset,
    .length = min_u64 (length, STATUS_MAX),
    .many_max = relay->reply_max * STATUS_MANY,
    .extents = extents,
    .max = *count,
  };
  int r = ask (relay, ask_extents, &q);

  if (r == 0)
    *count = q.count;
  return r;
}

static void
relay_close (struct source *source)
{
  struct source_relay *relay = (struct source_relay *) source;
  unsigned i;

  for (i = 0; i < relay->idle_count; i++)
    nbd_close (relay->idle[i]);
  pthread_cond_destroy (&relay->given);
  pthread_mutex_destroy (&relay->lock);
  free (relay->uri);
  free (relay);
}

static const struct source_ops relay_ops = {
  .read = relay_read,
  .extents = relay_extents,
  .close = relay_close,
};

int
source_relay_open (const struct source_config *config, const char *disk,
                   uint64_t disk_size, struct source **result,
                   struct failure *why)
{
  struct source_relay *relay = calloc (1, sizeof *relay);
  int r;

  if (relay == NULL || (relay->uri = strdup (config->value)) == NULL) {
    free (relay);
    return failure_set (why, FAILURE_GENERIC, ENOMEM, "no memory for disk %s",
                        disk);
  }
  relay->source.ops = &relay_ops;
  relay->disk_size = disk_size;
  relay->written = config->written;
  relay->written_context = config->written_context;
  relay->cluster = config->relay_cluster == SOURCE_CLUSTER_UNKNOWN
                   ? CLUSTER_MAX : config->relay_cluster;
  relay->reply_max = socket_room ();
  pthread_mutex_init (&relay->lock, NULL);
  pthread_cond_init (&relay->given, NULL);
  relay->idle_count = CONNECTIONS;
  /* The last one is taken first: one client alone uses one connection. */
  r = relay_connect (relay, &relay->idle[CONNECTIONS - 1], why);
  if (r < 0) {
    relay_close (&relay->source);
    return r;
  }
  *result = &relay->source;
  return 0;
}
