/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a connection ends.  The upstream server must never be cut off while it
 * still owes replies: one of nbdkit's threads that fails to send closes the
 * socket under the others, and nbdkit 1.32 then aborts, with all its other
 * clients.  So when the client is lost, the reply pump takes what is under way
 * off the upstream connection and throws it away, and only then is goodbye
 * said. */
#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

#include "checked-math.h"
#include "deadline.h"
#include "full-io.h"
#include "gateway-activity.h"
#include "gateway-block-status.h"
#include "gateway-inflight.h"
#include "gateway-reply.h"
#include "gateway-thread.h"
#include "gateway-transmission.h"
#include "splice-pump.h"

#define LEAVE_MS 60000          /* for the replies that are still owed */
#define WRITE_DRAIN_MAX (UINT32_C (64) << 20)
#define REQUEST_BATCH 32

struct transmission {
  int fd;                       /* client */
  struct session *session;
  struct inflight inflight;
  struct reply_channel channel;
  struct splice_pump pump;      /* reply pump's */
  bool client_lost;             /* reply pump's */
  int64_t served_ms;            /* reply pump's, see activity_touch */
  struct block_status status;   /* request pump's, as is all below */
  uint8_t in[REQUEST_BATCH * NBD_REQUEST_SIZE];
  size_t in_start, in_end;      /* what is received and not yet looked at */
  uint8_t out[REQUEST_BATCH * NBD_REQUEST_SIZE];
  size_t out_length;            /* reads to be sent upstream */
};

/* --- reply pump ------------------------------------------------------- */

/* Whoever is blocked on the client wakes, and the request pump ends. */
static void
lose_client (struct transmission *t)
{
  t->client_lost = true;
  shutdown (t->fd, SHUT_RDWR);
}

/* -errno only if upstream is lost. */
static int
pump_read (struct transmission *t, const struct inflight_read *read)
{
  uint8_t head[REPLY_HEAD_MAX];
  size_t n = reply_read_head (&t->channel, read->cookie, read->offset,
                              read->length, head);
  int upstream = t->session->data.fd, r;

  if (t->client_lost)
    return splice_pump_discard (&t->pump, upstream, read->length);
  pthread_mutex_lock (&t->channel.lock);
  r = splice_pump_move (&t->pump, upstream, t->fd, head, n, read->length);
  pthread_mutex_unlock (&t->channel.lock);
  if (r == 0 || t->pump.from_lost)
    return r;
  lose_client (t);
  return splice_pump_discard_rest (&t->pump, upstream);
}

static int
pump_reply (struct transmission *t)
{
  uint8_t data[NBD_SIMPLE_REPLY_SIZE];
  struct nbd_simple_reply reply;
  struct inflight_read read;
  int r = full_recv (t->session->data.fd, data, sizeof data);

  if (r == 0)
    r = nbd_simple_reply_decode (data, &reply);
  if (r == 0)
    r = inflight_find (&t->inflight, reply.cookie, &read);
  if (r < 0)
    return r;
  if (reply.error == 0)
    r = pump_read (t, &read);
  else if (!t->client_lost &&
           reply_error (&t->channel, read.cookie,
                        nbd_error_known (reply.error),
                        "the upstream server could not read") < 0)
    lose_client (t);
  if (r == 0)
    inflight_release (&t->inflight, reply.cookie);
  if (reply.error == 0 && !t->client_lost)
    activity_touch (&t->served_ms);
  return r;
}

static void *
reply_pump (void *opaque)
{
  struct transmission *t = opaque;

  while (pump_reply (t) == 0)
    ;
  inflight_finish (&t->inflight);
  lose_client (t);
  return NULL;
}

/* --- request pump ----------------------------------------------------- */

static int
flush_reads (struct transmission *t)
{
  size_t n = t->out_length;

  t->out_length = 0;
  return n == 0 ? 0 : full_send (t->session->data.fd, t->out, n);
}

/* Makes at least NEED unread bytes available (NEED is small). */
static int
fill (struct transmission *t, size_t need)
{
  int r = 0;

  if (t->in_end - t->in_start >= need)
    return 0;
  /* About to wait for the client: what it asked for so far must be under
   * way. */
  r = flush_reads (t);
  memmove (t->in, t->in + t->in_start, t->in_end - t->in_start);
  t->in_end -= t->in_start;
  t->in_start = 0;
  while (r == 0 && t->in_end < need) {
    ssize_t n = recv (t->fd, t->in + t->in_end, sizeof t->in - t->in_end, 0);

    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return n < 0 ? -errno : -ECONNRESET;
    t->in_end += (size_t) n;
  }
  return r;
}

static int
drain_write (struct transmission *t, uint64_t length)
{
  int r = 0;

  if (length > WRITE_DRAIN_MAX)
    return -EPROTO;
  while (r == 0 && length > 0) {
    size_t n = (size_t) min_u64 (length, t->in_end - t->in_start);

    t->in_start += n;
    length -= n;
    if (length > 0)
      r = fill (t, 1);
  }
  return r;
}

static int
refuse (struct transmission *t, const struct nbd_request *request,
        uint32_t nbd_error, const char *message)
{
  return reply_error (&t->channel, request->cookie, nbd_error, message);
}

static int
command_write (struct transmission *t, const struct nbd_request *request)
{
  int r = 0;

  if (request->type == NBD_CMD_WRITE)
    r = drain_write (t, request->length);
  return r < 0 ? r : refuse (t, request, NBD_EPERM, "the export is read-only");
}

static int
forward_read (struct transmission *t, const struct nbd_request *request)
{
  struct inflight_read read = { request->cookie, request->offset,
                                request->length };
  struct nbd_request onward = { .type = NBD_CMD_READ,
                                .offset = request->offset,
                                .length = request->length };
  int slot = inflight_acquire (&t->inflight, &read, false);
  int r;

  if (slot == -EAGAIN || t->out_length == sizeof t->out) {
    r = flush_reads (t);
    if (r < 0)
      return r;
  }
  if (slot == -EAGAIN)
    slot = inflight_acquire (&t->inflight, &read, true);
  if (slot < 0)
    return slot;
  onward.cookie = (uint64_t) slot;
  nbd_request_encode (t->out + t->out_length, &onward);
  t->out_length += NBD_REQUEST_SIZE;
  return 0;
}

/* The end of an export need not be aligned. */
static bool
is_aligned (const struct transmission *t, const struct nbd_request *request)
{
  uint32_t mask = t->session->data.min_block - 1;

  return (request->offset & mask) == 0 &&
         ((request->length & mask) == 0 ||
          request->offset + request->length == t->session->data.size);
}

static int
command_read (struct transmission *t, const struct nbd_request *request)
{
  unsigned known = NBD_CMD_FLAG_FUA;

  if (t->session->structured)
    known |= NBD_CMD_FLAG_DF;
  if (request->flags & ~known)
    return refuse (t, request, NBD_EINVAL, "unknown flag of a read");
  if (!range_is_inside (request->offset, request->length,
                        t->session->data.size))
    return refuse (t, request, NBD_EINVAL,
                   "the read is beyond the end of the export");
  if (!is_aligned (t, request))
    return refuse (t, request, NBD_EINVAL,
                   "the read is not aligned to the minimum block size");
  if (request->length > GATEWAY_READ_MAX)
    return refuse (t, request, NBD_EINVAL,
                   "the read is longer than the maximum block size");
  if (request->length == 0)
    return reply_done (&t->channel, request->cookie);
  return forward_read (t, request);
}

static int
command_block_status (struct transmission *t,
                      const struct nbd_request *request)
{
  unsigned known = NBD_CMD_FLAG_FUA | NBD_CMD_FLAG_REQ_ONE;
  int r;

  if (request->flags & ~known)
    return refuse (t, request, NBD_EINVAL, "unknown flag of a block status");
  if (!block_status_negotiated (t->session))
    return refuse (t, request, NBD_EINVAL, "no meta context was negotiated");
  if (request->length == 0 ||
      !range_is_inside (request->offset, request->length,
                        t->session->data.size))
    return refuse (t, request, NBD_EINVAL, "the block status is of nothing, "
                   "or beyond the end of the export");
  r = flush_reads (t);
  return r < 0 ? r : block_status_answer (&t->status, request, &t->channel);
}

/* 0 to go on, else the connection ends. */
static int
handle_request (struct transmission *t)
{
  struct nbd_request request;
  int r = fill (t, NBD_REQUEST_SIZE);

  if (r == 0)
    r = nbd_request_decode (t->in + t->in_start, &request);
  if (r < 0)
    return r;
  t->in_start += NBD_REQUEST_SIZE;
  switch (request.type) {
  case NBD_CMD_READ:
    return command_read (t, &request);
  case NBD_CMD_BLOCK_STATUS:
    return command_block_status (t, &request);
  case NBD_CMD_FLUSH:
    return reply_done (&t->channel, request.cookie);
  case NBD_CMD_WRITE:
  case NBD_CMD_TRIM:
  case NBD_CMD_WRITE_ZEROES:
    return command_write (t, &request);
  case NBD_CMD_DISC:
    r = flush_reads (t);
    if (r == 0)
      r = inflight_drain (&t->inflight, INT64_MAX);
    return r < 0 ? r : -ECONNABORTED;
  default:
    return refuse (t, &request, NBD_EINVAL, "unknown command");
  }
}

/* See the top of the file. */
static void
leave_upstream (struct transmission *t)
{
  int r = flush_reads (t);

  if (r == 0)
    r = inflight_drain (&t->inflight, now_ms () + LEAVE_MS);
  if (r == 0)
    upstream_say_goodbye (&t->session->data);
  shutdown (t->session->data.fd, SHUT_RDWR);
}

static void
run_pumps (struct transmission *t)
{
  pthread_t thread;

  if (gateway_thread_start (reply_pump, t, &thread) < 0)
    return;
  while (handle_request (t) == 0)
    ;
  inflight_close (&t->inflight);
  shutdown (t->fd, SHUT_RDWR);
  leave_upstream (t);
  pthread_join (thread, NULL);
}

void
gateway_transmission (int fd, const char *upstream_path,
                      struct session *session)
{
  CLEANUP_FREE struct transmission *t = calloc (1, sizeof *t);

  if (t == NULL)
    return;
  t->fd = fd;
  t->session = session;
  t->channel.fd = fd;
  t->channel.structured = session->structured;
  if (block_status_create (&t->status, upstream_path, session) < 0)
    return;
  if (splice_pump_open (&t->pump) == 0) {
    inflight_create (&t->inflight);
    pthread_mutex_init (&t->channel.lock, NULL);
    run_pumps (t);
    pthread_mutex_destroy (&t->channel.lock);
    inflight_destroy (&t->inflight);
    splice_pump_close (&t->pump);
  }
  block_status_destroy (&t->status);
}
