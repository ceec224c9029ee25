/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a connection ends.  The upstream server must never be cut off while it
 * still owes replies: one of nbdkit's threads that fails to send closes the
 * socket under the others, and nbdkit 1.32 then aborts, with all its other
 * clients.  So when the client is lost, the reply pump takes what is under way
 * off the upstream connection and throws it away, and only then is goodbye
 * said.  Where it may be writes, that takes as long as it takes (rule R12). */
#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

#include "checked-math.h"
#include "deadline.h"
#include "gateway-block-status.h"
#include "gateway-reads.h"
#include "gateway-thread.h"
#include "gateway-transmission.h"
#include "gateway-trim.h"
#include "gateway-writes.h"
#include "log.h"

#define LINGER_MS 1000          /* for the client to take what is owed */
#define LEAVE_MS 60000          /* for upstream to reply what is owed */
#define WRITE_DRAIN_MAX (UINT32_C (64) << 20)

struct transmission {
  int fd;                       /* client */
  struct session *session;
  struct pulse *pulse;
  struct reply_channel channel;
  struct served_session served;
  struct reads reads;
  struct block_status status;
  struct trim trim;
  struct writes writes;
  uint8_t in[READS_BATCH * NBD_REQUEST_SIZE];
  size_t in_start, in_end;      /* what is received and not yet looked at */
};

/* Makes at least NEED unread bytes available (NEED is small). */
static int
fill (struct transmission *t, size_t need)
{
  int r = 0;

  if (t->in_end - t->in_start >= need)
    return 0;
  /* About to wait for the client: what it asked for so far must be under
   * way. */
  r = gateway_reads_flush (&t->reads);
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
  return gateway_reply_error (&t->channel, request->cookie, nbd_error, message);
}

/* The payload of a write that is refused comes all the same. */
static int
refuse_write (struct transmission *t, const struct nbd_request *request,
              uint32_t nbd_error, const char *message)
{
  int r = request->type == NBD_CMD_WRITE ? drain_write (t, request->length) : 0;

  return r < 0 ? r : refuse (t, request, nbd_error, message);
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
    return gateway_reply_done (&t->channel, request->cookie);
  return gateway_reads_forward (&t->reads, request);
}

/* As the protocol wants the errors. */
static int
check_change (struct transmission *t, const struct nbd_request *request,
              unsigned flags, const char **message)
{
  if (!t->session->writable) {
    *message = "nothing can be written here";
    return NBD_EPERM;
  }
  if (t->session->data.flags & NBD_FLAG_SEND_FUA)
    flags |= NBD_CMD_FLAG_FUA;
  if (request->flags & ~flags) {
    *message = "unknown flag of a write, of zeroes or of a trim";
    return NBD_EINVAL;
  }
  if (!range_is_inside (request->offset, request->length,
                        t->session->data.size)) {
    *message = "this is beyond the end of the export";
    return request->type == NBD_CMD_TRIM ? NBD_EINVAL : NBD_ENOSPC;
  }
  *message = "this is not aligned to the minimum block size";
  return is_aligned (t, request) ? 0 : NBD_EINVAL;
}

/* Rule R6: first that it may be written. */
static int
forward_change (struct transmission *t, const struct nbd_request *request)
{
  struct writes_payload payload;
  int r;

  if (request->length == 0)
    return gateway_reply_done (&t->channel, request->cookie);
  if (gateway_writes_note (&t->writes, request) < 0)
    return refuse_write (t, request, NBD_EIO,
                         "it cannot be noted that this is written");
  if (request->type != NBD_CMD_WRITE)
    return gateway_writes_forward_short (&t->writes, request);
  payload = (struct writes_payload) { t->fd, t->in + t->in_start,
                                      t->in_end - t->in_start };
  r = gateway_writes_forward (&t->writes, request, &payload);
  t->in_start = t->in_end - payload.n_here;
  return r;
}

static int
command_write (struct transmission *t, const struct nbd_request *request)
{
  const char *message;
  int error = check_change (t, request, 0, &message);

  if (error == 0 && request->length > GATEWAY_READ_MAX) {
    message = "the write is longer than the maximum block size";
    error = NBD_EINVAL;
  }
  return error != 0 ? refuse_write (t, request, (uint32_t) error, message)
                    : forward_change (t, request);
}

static int
command_zero (struct transmission *t, const struct nbd_request *request)
{
  uint16_t announced = t->session->data.flags;
  unsigned known = NBD_CMD_FLAG_NO_HOLE |
                   (announced & NBD_FLAG_SEND_FAST_ZERO
                    ? NBD_CMD_FLAG_FAST_ZERO : 0);
  const char *message;
  int error = check_change (t, request, known, &message);

  if (error == 0 && !(announced & NBD_FLAG_SEND_WRITE_ZEROES)) {
    message = "no zeroes can be written here";
    error = NBD_EINVAL;
  }
  return error != 0 ? refuse (t, request, (uint32_t) error, message)
                    : forward_change (t, request);
}

static int
command_discard (struct transmission *t, const struct nbd_request *request)
{
  const char *message;
  int error = check_change (t, request, 0, &message);

  if (error == 0 && !(t->session->data.flags & NBD_FLAG_SEND_TRIM)) {
    message = "nothing can be trimmed here";
    error = NBD_EINVAL;
  }
  return error != 0 ? refuse (t, request, (uint32_t) error, message)
                    : forward_change (t, request);
}

/* What is not trimmed is as it was: a trim never fails for its range's alignment. */
static int
command_trim (struct transmission *t, const struct nbd_request *request)
{
  int r;

  if (!t->session->consume)
    return command_discard (t, request);
  if (request->flags & ~NBD_CMD_FLAG_FUA)
    return refuse (t, request, NBD_EINVAL, "unknown flag of a trim");
  if (!range_is_inside (request->offset, request->length,
                        t->session->data.size))
    return refuse (t, request, NBD_EINVAL,
                   "the trim is beyond the end of the export");
  if (request->length == 0)
    return gateway_reply_done (&t->channel, request->cookie);
  r = gateway_reads_flush (&t->reads);
  return r < 0 ? r : gateway_trim_answer (&t->trim, request);
}

static int
command_block_status (struct transmission *t,
                      const struct nbd_request *request)
{
  unsigned known = NBD_CMD_FLAG_FUA | NBD_CMD_FLAG_REQ_ONE;
  int r;

  if (request->flags & ~known)
    return refuse (t, request, NBD_EINVAL, "unknown flag of a block status");
  if (!gateway_block_status_negotiated (t->session))
    return refuse (t, request, NBD_EINVAL, "no meta context was negotiated");
  if (request->length == 0 ||
      !range_is_inside (request->offset, request->length,
                        t->session->data.size))
    return refuse (t, request, NBD_EINVAL, "the block status is of nothing, "
                   "or beyond the end of the export");
  if (!is_aligned (t, request))
    return refuse (t, request, NBD_EINVAL, "the block status is not aligned to "
                   "the minimum block size");
  r = gateway_reads_flush (&t->reads);
  return r < 0 ? r
               : gateway_block_status_answer (&t->status, request, &t->channel);
}

/* Where nothing is written, what the client has written elsewhere is safe. */
static int
command_flush (struct transmission *t, const struct nbd_request *request)
{
  if (request->flags & ~NBD_CMD_FLAG_FUA)
    return refuse (t, request, NBD_EINVAL, "unknown flag of a flush");
  if (t->session->writable && !(t->session->data.flags & NBD_FLAG_SEND_FLUSH))
    return refuse (t, request, NBD_EINVAL, "nothing can be flushed here");
  if (gateway_served_confirm (&t->served) < 0)
    return refuse (t, request, NBD_EIO,
                   "what was served cannot be noted as confirmed");
  if (t->session->writable) {
    struct nbd_request onward = { .type = NBD_CMD_FLUSH,
                                  .cookie = request->cookie };

    return gateway_writes_forward_short (&t->writes, &onward);
  }
  return gateway_reply_done (&t->channel, request->cookie);
}

static int
dispatch (struct transmission *t, const struct nbd_request *request)
{
  int r;

  switch (request->type) {
  case NBD_CMD_READ:
    return command_read (t, request);
  case NBD_CMD_BLOCK_STATUS:
    return command_block_status (t, request);
  case NBD_CMD_FLUSH:
    return command_flush (t, request);
  case NBD_CMD_TRIM:
    return command_trim (t, request);
  case NBD_CMD_WRITE:
    return command_write (t, request);
  case NBD_CMD_WRITE_ZEROES:
    return command_zero (t, request);
  case NBD_CMD_DISC:
    r = gateway_reads_flush (&t->reads);
    if (r == 0)
      r = gateway_inflight_drain (&t->reads.inflight, INT64_MAX);
    return r < 0 ? r : -ECONNABORTED;
  default:
    return refuse (t, request, NBD_EINVAL, "unknown command");
  }
}

/* 0 to go on, else the connection ends. */
static int
handle_request (struct transmission *t)
{
  struct nbd_request request;
  int r = fill (t, NBD_REQUEST_SIZE);
  /* The data of a write is waited for. */
  bool owed;

  if (r == 0)
    r = nbd_request_decode (t->in + t->in_start, &request);
  if (r < 0)
    return r;
  t->in_start += NBD_REQUEST_SIZE;
  owed = request.type != NBD_CMD_WRITE;
  if (owed)
    gateway_pulse_owe (t->pulse);
  r = dispatch (t, &request);
  if (owed)
    gateway_pulse_pay (t->pulse);
  return r;
}

/* See the top of the file. */
static void
leave_upstream (struct transmission *t)
{
  int64_t end = t->session->writable ? INT64_MAX : now_ms () + LEAVE_MS;

  if (gateway_inflight_drain (&t->reads.inflight, end) == 0)
    gateway_upstream_say_goodbye (&t->session->data);
  shutdown (t->session->data.fd, SHUT_RDWR);
}

static void
run_pumps (struct transmission *t)
{
  pthread_t thread;

  if (gateway_thread_start (gateway_reads_reply_pump, &t->reads, &thread) < 0)
    return;
  while (handle_request (t) == 0)
    ;
  gateway_inflight_close (&t->reads.inflight);
  /* Who asks no more may still take what it asked for. */
  if (gateway_reads_flush (&t->reads) == 0 &&
      gateway_inflight_drain (&t->reads.inflight, now_ms () + LINGER_MS) < 0)
    log_debug ("a client is cut off before it has all it asked for");
  shutdown (t->fd, SHUT_RDWR);
  leave_upstream (t);
  pthread_join (thread, NULL);
}

void
gateway_transmission (int fd, const char *server, struct pulse *pulse,
                      struct session *session)
{
  CLEANUP_FREE struct transmission *t = calloc (1, sizeof *t);

  if (t == NULL)
    return;
  t->fd = fd;
  t->session = session;
  t->pulse = pulse;
  t->channel.fd = fd;
  t->channel.structured = session->structured;
  gateway_block_status_create (&t->status, server, session);
  gateway_served_join (&t->served, session->route->served,
                       session->data.size);
  t->trim = (struct trim) { server, session, &t->served, &t->channel, 0 };
  if (gateway_reads_create (&t->reads, session, pulse, &t->channel,
                            &t->served) == 0) {
    gateway_writes_create (&t->writes, &t->reads);
    pthread_mutex_init (&t->channel.lock, NULL);
    run_pumps (t);
    pthread_mutex_destroy (&t->channel.lock);
    gateway_writes_destroy (&t->writes);
    gateway_reads_destroy (&t->reads);
  }
  gateway_served_leave (&t->served);
  gateway_block_status_destroy (&t->status);
}
