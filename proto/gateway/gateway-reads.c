/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two threads per connection, as neither may wait for the other: one takes
 * requests while the other moves payload, so that the next reads are at work
 * upstream while the client takes this one.  A read is owned by both;
 * whichever touches it last (its last piece is answered, or the rest of it is
 * given up) ends it. */
#include <config.h>

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "checked-math.h"
#include "full-io.h"
#include "gateway-activity.h"
#include "gateway-budget.h"
#include "gateway-reads.h"

/* A read that waits upstream counts as activity after, and every, so long. */
#define AWAIT_MS 2000

/* A receive of replies returns as often, with EAGAIN. */
static int
set_patience (int fd)
{
  const struct timeval patience = { .tv_sec = AWAIT_MS / 1000 };

  return setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
                     sizeof patience) < 0 ? -errno : 0;
}

int
gateway_reads_create (struct reads *reads, const struct session *session,
                      struct pulse *pulse, struct reply_channel *channel,
                      struct served_session *served)
{
  bool in_memory = session->data.memory.start != NULL;
  int r = gateway_turns_join (&reads->turns, gateway_peer_of (channel->fd));

  if (r < 0)
    return r;
  r = in_memory ? set_patience (session->data.fd)
                : gateway_pump_open (&reads->pump);
  if (r < 0) {
    gateway_turns_leave (&reads->turns);
    return r;
  }
  reads->session = session;
  reads->pulse = pulse;
  reads->channel = channel;
  reads->served = served;
  reads->share = BUDGET_LEAST;
  reads->out_length = reads->in_start = reads->in_end = 0;
  reads->client_lost = reads->in_run = false;
  reads->served_ms = 0;
  gateway_inflight_create (&reads->inflight, reads->share, in_memory);
  return 0;
}

void
gateway_reads_destroy (struct reads *reads)
{
  gateway_inflight_destroy (&reads->inflight);
  if (!reads->inflight.in_memory)
    gateway_pump_close (&reads->pump);
  gateway_turns_leave (&reads->turns);
  gateway_budget_return (reads->share);
}

static const char *
sentence_of (const struct reads *reads, const struct inflight_read *read)
{
  if (read->command == NBD_CMD_READ)
    return read->error == NBD_EPERM && reads->session->consume
           ? "a client has given this back, by a trim: it cannot be read again"
           : "the upstream server could not read";
  switch (read->error) {
  case NBD_ENOSPC:
    return "there is no space left for what was to be written";
  case NBD_ENOTSUP:
    return "zeroes cannot be written fast here";
  default:
    return read->command == NBD_CMD_FLUSH
           ? "what was written is not all on stable storage"
           : "the upstream server could not write";
  }
}

/* Whoever is the last to touch a read says how it went, if that is not said
 * yet. */
static int
finish_read (struct reads *reads, const struct inflight_read *read)
{
  int r = 0;

  if (read->error != 0)
    r = gateway_reply_error (reads->channel, read->cookie,
                             nbd_error_known (read->error),
                             sentence_of (reads, read));
  else if (read->command != NBD_CMD_READ ||
           (read->whole && reads->channel->structured))
    r = gateway_reply_done (reads->channel, read->cookie);
  gateway_pulse_pay (reads->pulse);
  return r;
}

/* --- reply pump ------------------------------------------------------- */

/* Whoever is blocked on the client wakes, and the request pump ends. */
static void
lose_client (struct reads *reads)
{
  reads->client_lost = true;
  shutdown (reads->channel->fd, SHUT_RDWR);
}

static void
enter_run (struct reads *reads)
{
  if (!reads->in_run)
    pthread_mutex_lock (&reads->channel->lock);
  reads->in_run = true;
}

static void
leave_run (struct reads *reads)
{
  if (reads->in_run)
    pthread_mutex_unlock (&reads->channel->lock);
  reads->in_run = false;
}

/* The head that goes before PIECE, 0 bytes in the middle of a run. */
static size_t
make_head (const struct reads *reads, const struct inflight_read *read,
           const struct inflight_piece *piece, uint8_t head[REPLY_HEAD_MAX])
{
  bool last = read->left == piece->length && read->error == 0;

  if (!read->whole)
    return gateway_reply_read_head (reads->channel, read->cookie, piece->offset,
                                    piece->length, last, head);
  if (piece->offset == read->offset)
    return gateway_reply_read_head (reads->channel, read->cookie, read->offset,
                                    read->length, false, head);
  return 0;
}

/* From its slot, which the view has handed over (M1), or from the connection. */
static int
send_payload (struct reads *reads, const struct inflight_piece *piece,
              const uint8_t *head, size_t n)
{
  const struct upstream *data = &reads->session->data;

  if (reads->inflight.in_memory)
    return gateway_pump_send (reads->channel->fd, head, n,
                              data->memory.start + piece->slot, piece->length);
  return gateway_pump_move (&reads->pump, data->fd, reads->channel->fd, head, n,
                            piece->length);
}

/* What the client will not have any more of LENGTH bytes, or of what is left. */
static int
discard (struct reads *reads, uint64_t length)
{
  return reads->inflight.in_memory ? 0
         : gateway_pump_discard (&reads->pump, reads->session->data.fd, length);
}

/* -errno only if upstream is lost. */
static int
move_piece (struct reads *reads, const struct inflight_read *read,
            const struct inflight_piece *piece)
{
  uint64_t end = piece->offset + piece->length;
  uint8_t head[REPLY_HEAD_MAX];
  size_t n;
  int r;

  if (reads->client_lost)
    return discard (reads, piece->length);
  n = make_head (reads, read, piece, head);
  enter_run (reads);
  r = send_payload (reads, piece, head, n);
  /* Nothing may follow half a reply. */
  if (r < 0)
    lose_client (reads);
  if (r < 0 || !read->whole || end == read->offset + read->length)
    leave_run (reads);
  if (r == 0)
    gateway_activity_touch (&reads->served_ms);
  if (r == 0 || (!reads->inflight.in_memory && reads->pump.from_lost))
    return r;
  return discard (reads, reads->pump.left);
}

/* PIECE of a run that the client is getting has failed.  A chunk is filled up,
 * and the error follows it; a simple reply cannot be taken back. */
static void
break_run (struct reads *reads, const struct inflight_read *read,
           const struct inflight_piece *piece)
{
  static const uint8_t zeroes[65536];
  uint64_t left = read->offset + read->length - piece->offset;
  int r = reads->channel->structured ? 0 : -EIO;

  while (r == 0 && left > 0) {
    size_t n = (size_t) min_u64 (left, sizeof zeroes);

    r = full_send (reads->channel->fd, zeroes, n);
    left -= n;
  }
  if (r < 0)
    lose_client (reads);
  leave_run (reads);
}

/* A read that the guest's work, or a limit, keeps waiting upstream is work as one
 * that is answered. */
static void
note_waiting (struct reads *reads)
{
  if (!reads->client_lost && gateway_inflight_is_waiting (&reads->inflight))
    gateway_activity_touch (&reads->served_ms);
}

static int
receive_reply (struct reads *reads, uint8_t data[NBD_SIMPLE_REPLY_SIZE])
{
  struct pollfd poller = { .fd = reads->session->data.fd, .events = POLLIN };

  while (poll (&poller, 1, AWAIT_MS) == 0)
    note_waiting (reads);
  return full_recv (poller.fd, data, NBD_SIMPLE_REPLY_SIZE);
}

/* Where no payload follows a reply, as many as there are. */
static int
receive_replies (struct reads *reads)
{
  size_t left = reads->in_end - reads->in_start;

  memmove (reads->in, reads->in + reads->in_start, left);
  reads->in_start = 0;
  reads->in_end = left;
  while (reads->in_end < NBD_SIMPLE_REPLY_SIZE) {
    ssize_t n = recv (reads->session->data.fd, reads->in + reads->in_end,
                      sizeof reads->in - reads->in_end, 0);

    if (n > 0)
      reads->in_end += (size_t) n;
    else if (n < 0 && errno == EAGAIN)
      note_waiting (reads);
    else if (n == 0 || errno != EINTR)
      return n < 0 ? -errno : -ECONNRESET;
  }
  return 0;
}

static int
next_reply (struct reads *reads, struct nbd_simple_reply *reply)
{
  uint8_t data[NBD_SIMPLE_REPLY_SIZE], *from = data;
  int r = 0;

  if (!reads->inflight.in_memory)
    r = receive_reply (reads, data);
  else {
    if (reads->in_end - reads->in_start < NBD_SIMPLE_REPLY_SIZE)
      r = receive_replies (reads);
    from = reads->in + reads->in_start;
    reads->in_start += NBD_SIMPLE_REPLY_SIZE;
  }
  return r < 0 ? r : nbd_simple_reply_decode (from, reply);
}

static int
pump_reply (struct reads *reads)
{
  struct nbd_simple_reply reply;
  struct inflight_piece piece;
  struct inflight_read read;
  int r = next_reply (reads, &reply);

  if (r == 0)
    r = gateway_inflight_take (&reads->inflight, reply.cookie, reply.error,
                               &piece, &read);
  if (r < 0)
    return r;
  gateway_turns_begin (&reads->turns);
  if (read.command != NBD_CMD_READ)
    gateway_activity_touch (&reads->served_ms);
  else if (reply.error == 0)
    r = move_piece (reads, &read, &piece);
  else if (reads->in_run)
    break_run (reads, &read, &piece);
  gateway_turns_end (&reads->turns);
  if (r < 0)
    return r;
  if (!gateway_inflight_release (&reads->inflight, reply.cookie, &read) ||
      reads->client_lost)
    return 0;
  if (finish_read (reads, &read) < 0)
    lose_client (reads);
  else if (read.error == 0 && read.command == NBD_CMD_READ)
    gateway_served_mark (reads->served, read.offset, read.length);
  return 0;
}

void *
gateway_reads_reply_pump (void *argument)
{
  struct reads *reads = argument;

  while (pump_reply (reads) == 0)
    ;
  lose_client (reads);
  leave_run (reads);
  gateway_inflight_finish (&reads->inflight);
  gateway_turns_stop (&reads->turns);
  return NULL;
}

/* --- request pump ----------------------------------------------------- */

int
gateway_reads_flush (struct reads *reads)
{
  size_t n = reads->out_length;

  reads->out_length = 0;
  return n == 0 ? 0 : full_send (reads->session->data.fd, reads->out, n);
}

/* True if there is more now. */
static bool
raise_share (struct reads *reads)
{
  uint32_t before = reads->share;

  if (before == BUDGET_MOST)
    return false;
  reads->share = gateway_budget_raise (before);
  gateway_inflight_set_limit (&reads->inflight, reads->share);
  return reads->share > before;
}

int
gateway_reads_add_piece (struct reads *reads, struct inflight_read *read,
                         uint64_t offset, uint32_t length, uint32_t *slot)
{
  int number, r;

  do
    number = gateway_inflight_add (&reads->inflight, read, offset, length,
                                   false, slot);
  while (number == -EAGAIN && raise_share (reads));
  if (number == -EAGAIN) {
    r = gateway_reads_flush (reads);
    if (r < 0)
      return r;
    number = gateway_inflight_add (&reads->inflight, read, offset, length,
                                   true, slot);
  }
  if (number < 0 || gateway_turns_take (&reads->turns, false))
    return number;
  r = gateway_reads_flush (reads);
  if (r < 0)
    return r;
  gateway_turns_take (&reads->turns, true);
  return number;
}

int
gateway_reads_put (struct reads *reads, const struct nbd_request *onward)
{
  int r = reads->out_length == sizeof reads->out ? gateway_reads_flush (reads)
                                                 : 0;

  if (r < 0)
    return r;
  nbd_request_encode (reads->out + reads->out_length, onward);
  reads->out_length += NBD_REQUEST_SIZE;
  return 0;
}

static int
forward_piece (struct reads *reads, struct inflight_read *read,
               uint64_t offset, uint32_t length)
{
  bool in_memory = reads->inflight.in_memory;
  struct nbd_request onward = {
    .type = in_memory ? NBD_CMD_CACHE : NBD_CMD_READ, .length = length
  };
  uint32_t slot = 0;
  int number = gateway_reads_add_piece (reads, read, offset, length, &slot);

  if (number < 0)
    return number;
  onward.cookie = (uint64_t) number;
  onward.offset = in_memory ? handover_offset_join (slot, offset) : offset;
  return gateway_reads_put (reads, &onward);
}

/* Nothing that comes later can get before what was handed on. */
static int
settle (struct reads *reads)
{
  int r = gateway_reads_flush (reads);

  return r < 0 ? r : gateway_inflight_wait_begun (&reads->inflight);
}

uint32_t
gateway_reads_piece_length (struct reads *reads, uint32_t length)
{
  if (length > BUDGET_PIECE (reads->share))
    raise_share (reads);
  return (uint32_t) min_u64 (min_u64 (BUDGET_PIECE (reads->share),
                                      gateway_turns_bytes (&reads->turns)),
                             reads->session->data.max_read);
}

int
gateway_reads_give_up (struct reads *reads, struct inflight_read *read,
                       uint32_t length)
{
  struct inflight_read end;

  return gateway_inflight_give_up (&reads->inflight, read, length, &end)
         ? finish_read (reads, &end) : 0;
}

int
gateway_reads_forward (struct reads *reads, const struct nbd_request *request)
{
  uint32_t most = gateway_reads_piece_length (reads, request->length);
  struct inflight_read read = {
    .cookie = request->cookie, .offset = request->offset,
    .length = request->length,
    .whole = request->length > most && (!reads->channel->structured ||
                                        request->flags & NBD_CMD_FLAG_DF)
  };
  struct inflight_read *place;
  uint32_t left, n = 0;
  int r = read.whole ? settle (reads) : 0;

  if (r < 0)
    return r;
  gateway_pulse_owe (reads->pulse);
  place = gateway_inflight_begin (&reads->inflight, &read);
  for (left = read.length; r == 0 && left > 0; left -= n) {
    n = (uint32_t) min_u64 (most, left);
    r = forward_piece (reads, place, read.offset + read.length - left, n);
    if (r == 0 && read.whole)
      r = settle (reads);
    if (r < 0)
      break;
  }
  return r != -ECANCELED ? r : gateway_reads_give_up (reads, place, left);
}
