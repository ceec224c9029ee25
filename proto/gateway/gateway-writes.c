/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Room and turn are taken when a piece's payload is here and not before, so that a
 * client that stops amid it keeps nobody waiting. */
#include <config.h>

#include <errno.h>
#include <stdlib.h>

#include "checked-math.h"
#include "gateway-writes.h"

void
gateway_writes_create (struct writes *writes, struct reads *reads)
{
  *writes = (struct writes) { reads, NULL, 0 };
}

void
gateway_writes_destroy (struct writes *writes)
{
  free (writes->buffer);
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

/* The buffer's first ONWARD->length bytes. */
static int
send_piece (struct writes *writes, struct inflight_read *read,
            struct nbd_request *onward)
{
  struct reads *reads = writes->reads;
  uint8_t head[NBD_REQUEST_SIZE];
  uint32_t slot = 0;
  int number = gateway_reads_add_piece (reads, read, onward->offset,
                                        onward->length, &slot);

  if (number < 0)
    return number;
  onward->cookie = (uint64_t) number;
  nbd_request_encode (head, onward);
  return gateway_pump_send (reads->session->data.fd, head, sizeof head,
                            writes->buffer, onward->length);
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
                        writes_receive *receive, void *context)
{
  struct reads *reads = writes->reads;
  uint32_t most = gateway_reads_piece_length (reads, request->length);
  struct inflight_read read = {
    .cookie = request->cookie, .offset = request->offset,
    .length = request->length, .command = request->type
  };
  struct nbd_request onward = *request;
  struct inflight_read *place;
  uint32_t left, given_up = 0;
  int r = gateway_reads_flush (reads);

  if (r == 0)
    r = make_room (writes, min_u64 (most, request->length));
  if (r < 0)
    return r;
  place = gateway_inflight_begin (&reads->inflight, &read);
  for (left = read.length; left > 0; left -= onward.length) {
    onward.offset = read.offset + read.length - left;
    onward.length = piece_at (onward.offset, most, left);
    r = receive (context, writes->buffer, onward.length);
    if (r < 0)
      return r;
    /* From now on it is the client that waits. */
    if (onward.length == left)
      gateway_pulse_owe (reads->pulse);
    if (given_up == 0)
      r = send_piece (writes, place, &onward);
    if (r == -ECANCELED)
      given_up = left;
    else if (r < 0)
      return r;
  }
  return given_up == 0 ? 0 : gateway_reads_give_up (reads, place, given_up);
}

int
gateway_writes_forward_short (struct writes *writes,
                              const struct nbd_request *request)
{
  struct reads *reads = writes->reads;
  struct inflight_read read = {
    .cookie = request->cookie, .offset = request->offset, .length = 1,
    .command = request->type
  };
  struct nbd_request onward = *request;
  struct inflight_read *place;
  uint32_t slot = 0;
  int number;

  gateway_pulse_owe (reads->pulse);
  place = gateway_inflight_begin (&reads->inflight, &read);
  number = gateway_reads_add_piece (reads, place, read.offset, 1, &slot);
  if (number < 0)
    return number;
  onward.cookie = (uint64_t) number;
  return gateway_reads_put (reads, &onward);
}
