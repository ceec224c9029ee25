/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Room and turn are taken when a piece's payload is here and not before, so that a
 * client that stops amid it keeps nobody waiting. */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "checked-math.h"
#include "gateway-writes.h"

/* Less is cheaper to copy than to splice. */
#define PIPED_MIN (32u << 10)
/* Of zeroes, in one piece. */
#define ZEROES_MAX (UINT32_C (16) << 20)

void
gateway_writes_create (struct writes *writes, struct reads *reads)
{
  *writes = (struct writes) { .reads = reads };
}

void
gateway_writes_destroy (struct writes *writes)
{
  free (writes->buffer);
  if (writes->pump_open)
    gateway_pump_close (&writes->pump);
}

int
gateway_writes_note (struct writes *writes, const struct nbd_request *request)
{
  return gateway_written_note (writes->reads->session->route->written,
                               request->offset, request->length);
}

static int
make_room (struct writes *writes, size_t length)
{
  if (length <= writes->buffer_size)
    return 0;
  free (writes->buffer);
  writes->buffer = malloc (length);
  writes->buffer_size = writes->buffer == NULL ? 0 : length;
  return writes->buffer == NULL ? -ENOMEM : 0;
}

/* --- receiving --------------------------------------------------------- */

/* First what came with the request.  A client is at work that sends, however slowly. */
static int
receive (struct writes *writes, struct writes_payload *payload,
         uint8_t *buffer, size_t length)
{
  size_t n = (size_t) min_u64 (length, payload->n_here);

  memcpy (buffer, payload->here, n);
  payload->here += n;
  payload->n_here -= n;
  while (n < length) {
    ssize_t got = recv (payload->fd, buffer + n, length - n, 0);

    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0)
      return got < 0 ? -errno : -ECONNRESET;
    gateway_pulse_touch (writes->reads->pulse);
    n += (size_t) got;
  }
  return 0;
}

/* Into the pipe, or, if that has no place for all, from there into the buffer:
 * *IN_PIPE is 0 then. */
static int
receive_in_pipe (struct writes *writes, struct writes_payload *payload,
                 size_t length, size_t *in_pipe)
{
  size_t n = (size_t) min_u64 (length, payload->n_here), held = 0;
  int r = gateway_pump_fill (&writes->pump, payload->fd, payload->here, n,
                             length, writes->reads->pulse, &held);

  if (r < 0)
    return r;
  payload->here += n;
  payload->n_here -= n;
  *in_pipe = held == length ? held : 0;
  if (held == length)
    return 0;
  r = gateway_pump_get (&writes->pump, writes->buffer, held);
  return r < 0 ? r : receive (writes, payload, writes->buffer + held,
                              length - held);
}

static bool
goes_by_pipe (struct writes *writes, size_t length)
{
  if (length < PIPED_MIN)
    return false;
  if (!writes->pump_open)
    writes->pump_open = gateway_pump_open (&writes->pump) == 0;
  return writes->pump_open && gateway_pump_holds (&writes->pump);
}

/* --- sending ----------------------------------------------------------- */

/* ONWARD->length bytes, which are in the pipe or in the buffer. */
static int
send_piece (struct writes *writes, struct inflight_read *read,
            struct nbd_request *onward, size_t in_pipe)
{
  struct reads *reads = writes->reads;
  int upstream = reads->session->data.fd;
  uint8_t head[NBD_REQUEST_SIZE];
  uint32_t slot = 0;
  int number = gateway_reads_add_piece (reads, read, onward->offset,
                                        onward->length, &slot);

  if (number < 0)
    return number;
  onward->cookie = (uint64_t) number;
  nbd_request_encode (head, onward);
  return in_pipe > 0
         ? gateway_pump_empty (&writes->pump, upstream, head, sizeof head,
                               in_pipe)
         : gateway_pump_send (upstream, head, sizeof head, writes->buffer,
                              onward->length);
}

/* FAILED: one before it has; then it is taken off the client's connection alone. */
static int
forward_piece (struct writes *writes, struct writes_payload *payload,
               struct inflight_read *read, struct nbd_request *onward,
               bool by_pipe, bool last, bool failed)
{
  size_t in_pipe = 0;
  int r = by_pipe ? receive_in_pipe (writes, payload, onward->length, &in_pipe)
          : receive (writes, payload, writes->buffer, onward->length);

  if (r < 0)
    return r;
  /* From now on it is the client that waits. */
  if (last)
    gateway_pulse_owe (writes->reads->pulse);
  r = failed ? -ECANCELED : send_piece (writes, read, onward, in_pipe);
  if (r != -ECANCELED || in_pipe == 0)
    return r;
  r = gateway_pump_get (&writes->pump, writes->buffer, in_pipe);
  return r < 0 ? r : -ECANCELED;
}

/* Pieces end where larger ones do that are cut alike: whole blocks stay whole. */
static uint32_t
piece_at (uint64_t offset, uint32_t most, uint32_t left)
{
  return (uint32_t) min_u64 (most - offset % most, left);
}

int
gateway_writes_forward (struct writes *writes,
                        const struct nbd_request *request,
                        struct writes_payload *payload)
{
  struct reads *reads = writes->reads;
  bool by_pipe = goes_by_pipe (writes, request->length);
  uint32_t most = gateway_reads_piece_length (reads, request->length);
  struct inflight_read read = {
    .cookie = request->cookie, .offset = request->offset,
    .length = request->length, .command = request->type
  };
  struct nbd_request onward = *request;
  struct inflight_read *place;
  uint32_t left, given_up = 0;
  int r = gateway_reads_flush (reads);

  if (by_pipe)
    most = (uint32_t) min_u64 (most, GATEWAY_PUMP_HOLDS);
  if (r == 0)
    r = make_room (writes, min_u64 (most, request->length));
  if (r < 0)
    return r;
  place = gateway_inflight_begin (&reads->inflight, &read);
  for (left = read.length; left > 0; left -= onward.length) {
    onward.offset = read.offset + read.length - left;
    onward.length = piece_at (onward.offset, most, left);
    r = forward_piece (writes, payload, place, &onward,
                       by_pipe && onward.length >= PIPED_MIN,
                       onward.length == left, given_up > 0);
    if (r < 0 && r != -ECANCELED)
      return r;
    if (r == -ECANCELED && given_up == 0)
      given_up = left;
  }
  return given_up == 0 ? 0 : gateway_reads_give_up (reads, place, given_up);
}

/* The number of pieces; 1 of what is not cut. */
static uint32_t
pieces_of (const struct nbd_request *request)
{
  return request->type != NBD_CMD_WRITE_ZEROES ? 1
         : (uint32_t) ((request->offset % ZEROES_MAX + request->length +
                        ZEROES_MAX - 1) / ZEROES_MAX);
}

static int
put_short_piece (struct writes *writes, struct inflight_read *read,
                 struct nbd_request *onward)
{
  uint32_t slot = 0;
  int number = gateway_reads_add_piece (writes->reads, read, onward->offset, 1,
                                        &slot);

  if (number < 0)
    return number;
  onward->cookie = (uint64_t) number;
  return gateway_reads_put (writes->reads, onward);
}

int
gateway_writes_forward_short (struct writes *writes,
                              const struct nbd_request *request)
{
  struct reads *reads = writes->reads;
  struct inflight_read read = {
    .cookie = request->cookie, .offset = request->offset,
    .length = pieces_of (request), .command = request->type
  };
  struct nbd_request onward = *request;
  uint64_t end = request->offset + request->length;
  struct inflight_read *place;
  uint32_t left;
  int r = 0;

  gateway_pulse_owe (reads->pulse);
  place = gateway_inflight_begin (&reads->inflight, &read);
  for (left = read.length; r == 0 && left > 0; left -= r == 0) {
    if (left < read.length && gateway_writers_is_gone (reads->channel->fd))
      return -ECONNRESET;
    if (read.length > 1)
      onward.length = piece_at (onward.offset, ZEROES_MAX,
                                (uint32_t) (end - onward.offset));
    r = put_short_piece (writes, place, &onward);
    onward.offset += onward.length;
  }
  return r != -ECANCELED ? r : gateway_reads_give_up (reads, place, left);
}
