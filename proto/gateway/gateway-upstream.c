/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The handshake is written out here, as a library's connection owns its
 * socket, while payload is to be spliced from this one to the client's.  What
 * the server announces is checked, since it is announced on to clients. */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "checked-math.h"
#include "deadline.h"
#include "full-io.h"
#include "gateway-upstream.h"
#include "name.h"
#include "socket.h"

/* The view runs last for processors (docs/pacing.md): where guests take them all, it needs
 * long to start and to answer. */
#define HANDSHAKE_SECONDS 30
#define STATUS_SECONDS 120
#define REPLY_MAX 65536         /* of an option: strings and a few numbers */
/* Below what a unix socket holds by default, so that the server is never
 * waited for while it waits for room. */
#define WAKE_BYTES (128 << 10)
/* More than a piece of a write (GATEWAY_PUMP_HOLDS), as far as the kernel allows it: who
 * sends goes on to the next, and the server has all of this one when it wakes. */
#define SEND_BYTES (512 << 10)

/* A receive or send that takes longer fails with EAGAIN; 0 waits for ever. */
static void
set_patience (int fd, time_t seconds)
{
  struct timeval tv = { .tv_sec = seconds };

  setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
  setsockopt (fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
}

/* Payload is taken in large pieces, not woken for each one of the server's.  A
 * receive or splice of less waits for no more than it asks for. */
static void
wake_rarely (int fd)
{
  int bytes = WAKE_BYTES, unsent = SEND_BYTES;

  setsockopt (fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes);
  setsockopt (fd, SOL_SOCKET, SO_SNDBUF, &unsent, sizeof unsent);
}

static int
greet (int fd)
{
  uint8_t greeting[NBD_GREETING_SIZE];
  struct nbd_buffer answer = { 0 };
  unsigned flags;
  int r = full_recv (fd, greeting, sizeof greeting);

  if (r < 0)
    return r;
  flags = nbd_load16 (greeting + 16);
  if (nbd_load64 (greeting) != NBD_INIT_MAGIC ||
      nbd_load64 (greeting + 8) != NBD_OPTION_MAGIC ||
      !(flags & NBD_FLAG_FIXED_NEWSTYLE))
    return -EPROTO;
  nbd_put32 (&answer, flags & (NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES));
  return nbd_buffer_send (&answer, fd);
}

static int
skip (int fd, uint32_t length)
{
  uint8_t scrap[512];
  int r = 0;

  while (length > 0 && r == 0) {
    uint32_t n = (uint32_t) min_u64 (length, sizeof scrap);
    r = full_recv (fd, scrap, n);
    length -= n;
  }
  return r;
}

/* One reply to OPTION: its header, and up to SIZE bytes of its data. */
static int
receive_option_reply (int fd, uint32_t option, struct nbd_option_reply *reply,
                      uint8_t *data, size_t size)
{
  uint8_t header[NBD_OPTION_REPLY_SIZE];
  size_t n;
  int r = full_recv (fd, header, sizeof header);

  if (r < 0)
    return r;
  if (nbd_option_reply_decode (header, reply) < 0 || reply->option != option ||
      reply->length > REPLY_MAX)
    return -EPROTO;
  n = (size_t) min_u64 (reply->length, size);
  r = full_recv (fd, data, n);
  return r < 0 ? r : skip (fd, reply->length - (uint32_t) n);
}

static int
refusal (const struct nbd_option_reply *reply, const char *export,
         struct failure *why)
{
  if (reply->type == NBD_REP_ERR_UNKNOWN)
    return failure_set (why, FAILURE_DISK_NOT_FOUND, ENOENT,
                        "the upstream server has no export \"%.200s\"",
                        export);
  return failure_set (why, FAILURE_GENERIC, EPROTO,
                      "the upstream server refused option %u for export "
                      "\"%.200s\" with error %#x", (unsigned) reply->option,
                      export, (unsigned) reply->type);
}

static int
ask_structured (struct upstream *upstream, const char *export,
                struct failure *why)
{
  struct nbd_buffer out = { 0 };
  struct nbd_option_reply reply;
  int r;

  nbd_option_put (&out, NBD_OPT_STRUCTURED_REPLY, 0);
  r = nbd_buffer_send (&out, upstream->fd);
  if (r == 0)
    r = receive_option_reply (upstream->fd, NBD_OPT_STRUCTURED_REPLY, &reply,
                              NULL, 0);
  if (r == 0 && reply.type != NBD_REP_ACK)
    r = refusal (&reply, export, why);
  return r;
}

static int
ask_allocation (struct upstream *upstream, const char *export,
                struct failure *why)
{
  static const char context[] = CONTEXT_ALLOCATION;
  const uint32_t context_length = sizeof context - 1;
  uint32_t export_length = (uint32_t) strlen (export);
  struct nbd_buffer out = { 0 };
  struct nbd_option_reply reply;
  uint8_t data[4 + sizeof context];
  bool found = false;
  int r;

  nbd_option_put (&out, NBD_OPT_SET_META_CONTEXT,
                  4 + export_length + 4 + 4 + context_length);
  nbd_put32 (&out, export_length);
  nbd_put_bytes (&out, export, export_length);
  nbd_put32 (&out, 1);
  nbd_put32 (&out, context_length);
  nbd_put_bytes (&out, context, context_length);
  r = nbd_buffer_send (&out, upstream->fd);
  while (r == 0) {
    r = receive_option_reply (upstream->fd, NBD_OPT_SET_META_CONTEXT, &reply,
                              data, sizeof data);
    if (r < 0 || reply.type != NBD_REP_META_CONTEXT)
      break;
    if (reply.length != 4 + context_length ||
        memcmp (data + 4, context, context_length) != 0)
      return -EPROTO;
    upstream->context_id = nbd_load32 (data);
    found = true;
  }
  if (r == 0 && reply.type != NBD_REP_ACK)
    return refusal (&reply, export, why);
  if (r == 0 && !found)
    return failure_set (why, FAILURE_GENERIC, ENOTSUP, "the upstream server "
                        "has no %s for export \"%.200s\"", context, export);
  return r;
}

static bool
is_power_of_2 (uint32_t value)
{
  return value != 0 && (value & (value - 1)) == 0;
}

/* What the protocol does not allow would be announced to clients. */
static int
note_block_size (struct upstream *upstream, uint32_t min, uint32_t preferred,
                 uint32_t max)
{
  if (!is_power_of_2 (min) || min > 65536 || !is_power_of_2 (preferred) ||
      preferred < max_u64 (min, 512) || max < preferred)
    return -EPROTO;
  upstream->min_block = min;
  upstream->preferred_block = preferred;
  upstream->max_read = max - max % min;
  return 0;
}

/* The description of an export that has memory is the memory's number. */
static void
note_description (struct upstream *upstream, const uint8_t *text,
                  uint32_t length)
{
  char digits[24] = "";

  if (length == 0 || length >= sizeof digits)
    return;
  memcpy (digits, text, length);
  if (strspn (digits, "0123456789") == length)
    upstream->memory_number = strtoull (digits, NULL, 10);
}

static int
note_info (struct upstream *upstream, const uint8_t *data, uint32_t length,
           bool *sized)
{
  if (length < 2)
    return -EPROTO;
  if (nbd_load16 (data) == NBD_INFO_EXPORT && length == 12) {
    upstream->size = nbd_load64 (data + 2);
    upstream->flags = nbd_load16 (data + 10);
    *sized = upstream->size <= INT64_MAX;
  }
  if (nbd_load16 (data) == NBD_INFO_BLOCK_SIZE && length == 14)
    return note_block_size (upstream, nbd_load32 (data + 2),
                            nbd_load32 (data + 6), nbd_load32 (data + 10));
  if (nbd_load16 (data) == NBD_INFO_DESCRIPTION)
    note_description (upstream, data + 2, length - 2);
  return 0;
}

static int
ask_go (struct upstream *upstream, const char *export,
        enum upstream_kind kind, struct failure *why)
{
  const uint16_t infos = kind == UPSTREAM_MEMORY ? 2 : 1;
  uint32_t length = (uint32_t) strlen (export);
  struct nbd_buffer out = { 0 };
  struct nbd_option_reply reply;
  uint8_t data[32];
  bool sized = false;
  int r;

  nbd_option_put (&out, NBD_OPT_GO, 4 + length + 2 + 2 * infos);
  nbd_put32 (&out, length);
  nbd_put_bytes (&out, export, length);
  nbd_put16 (&out, infos);
  nbd_put16 (&out, NBD_INFO_BLOCK_SIZE);
  if (kind == UPSTREAM_MEMORY)
    nbd_put16 (&out, NBD_INFO_DESCRIPTION);
  r = nbd_buffer_send (&out, upstream->fd);
  while (r == 0) {
    r = receive_option_reply (upstream->fd, NBD_OPT_GO, &reply, data,
                              sizeof data);
    if (r < 0 || reply.type != NBD_REP_INFO)
      break;
    r = note_info (upstream, data, reply.length, &sized);
  }
  if (r == 0 && reply.type != NBD_REP_ACK)
    return refusal (&reply, export, why);
  return r == 0 && !sized ? -EPROTO : r;
}

static int
negotiate (struct upstream *upstream, const char *export,
           enum upstream_kind kind, struct failure *why)
{
  int r = greet (upstream->fd);

  if (r == 0 && kind == UPSTREAM_STATUS)
    r = ask_structured (upstream, export, why);
  if (r == 0 && kind == UPSTREAM_STATUS)
    r = ask_allocation (upstream, export, why);
  if (r == 0)
    r = ask_go (upstream, export, kind, why);
  if (r == -EAGAIN)
    r = -ETIMEDOUT;
  return r;
}

int
gateway_upstream_open (const char *socket_path, const char *export,
                       enum upstream_kind kind, struct upstream *upstream,
                       struct failure *why)
{
  struct upstream out = { .fd = -1, .min_block = 1, .preferred_block = 4096,
                          .max_read = UPSTREAM_MAX_READ,
                          .memory_number = UINT64_MAX,
                          .memory = { NULL, -1 } };
  int r = socket_connect_unix (socket_path,
                               now_ms () + HANDSHAKE_SECONDS * 1000, &out.fd);

  if (r < 0)
    return failure_set (why, FAILURE_GENERIC, ESHUTDOWN,
                        "the upstream server does not answer: %s",
                        strerror (-r));
  set_patience (out.fd, HANDSHAKE_SECONDS);
  r = negotiate (&out, export, kind, why);
  if (r < 0) {
    gateway_upstream_close (&out);
    return failure_set (why, FAILURE_GENERIC, -r,
                        "the upstream server broke off the handshake: %s",
                        strerror (-r));
  }
  set_patience (out.fd, kind == UPSTREAM_STATUS ? STATUS_SECONDS : 0);
  if (kind == UPSTREAM_DATA)
    wake_rarely (out.fd);
  *upstream = out;
  return 0;
}

void
gateway_upstream_say_goodbye (struct upstream *upstream)
{
  struct nbd_request request = { .type = NBD_CMD_DISC };
  uint8_t data[NBD_REQUEST_SIZE];

  nbd_request_encode (data, &request);
  /* Whether it arrives is nothing to us. */
  if (send (upstream->fd, data, sizeof data, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
    return;
}

void
gateway_upstream_close (struct upstream *upstream)
{
  if (upstream->fd >= 0)
    close (upstream->fd);
  upstream->fd = -1;
  handover_memory_close (&upstream->memory);
}

/* Reads the descriptors of one chunk piecewise: an answer may be megabytes,
 * and what no longer fits into LIST is only skipped. */
static int
receive_extents (struct upstream *upstream, uint32_t length,
                 enum extent_view view, uint64_t total,
                 struct extent_list *list)
{
  uint8_t data[512 * NBD_EXTENT_SIZE];
  int r, full = 0;

  if (length < 4 + NBD_EXTENT_SIZE || length > (64U << 20))
    return -EPROTO;
  r = full_recv (upstream->fd, data, 4);
  if (r < 0)
    return r;
  if (nbd_load32 (data) != upstream->context_id)
    return -EPROTO;
  for (length -= 4; length > 0; ) {
    uint32_t n = (uint32_t) min_u64 (length, sizeof data);

    r = full_recv (upstream->fd, data, n);
    if (r == 0 && !full)
      r = full = extent_list_decode (list, data, n, view, total);
    if (r < 0)
      return r;
    length -= n;
  }
  return full;
}

static int
receive_error (struct upstream *upstream, uint32_t length, uint32_t *nbd_error)
{
  uint8_t data[4];
  int r;

  if (length < 6 || length > REPLY_MAX)
    return -EPROTO;
  r = full_recv (upstream->fd, data, sizeof data);
  if (r == 0)
    r = skip (upstream->fd, length - (uint32_t) sizeof data);
  if (r == 0) {
    uint32_t error = nbd_load32 (data);
    *nbd_error = error != 0 ? error : NBD_EIO;
  }
  return r;
}

int
gateway_upstream_block_status (struct upstream *upstream, uint64_t offset,
                               uint32_t length, bool one, enum extent_view view,
                               uint64_t total, struct extent_list *list,
                               uint32_t *nbd_error)
{
  struct nbd_request request = {
    .flags = one ? NBD_CMD_FLAG_REQ_ONE : 0, .type = NBD_CMD_BLOCK_STATUS,
    .cookie = ++upstream->next_cookie, .offset = offset, .length = length
  };
  uint8_t data[NBD_REQUEST_SIZE];
  struct nbd_chunk chunk = { 0 };
  int r, full = 0;

  nbd_request_encode (data, &request);
  r = full_send (upstream->fd, data, sizeof data);
  while (r == 0 && !(chunk.flags & NBD_CHUNK_FLAG_DONE)) {
    r = full_recv (upstream->fd, data, NBD_CHUNK_SIZE);
    if (r < 0)
      return r;
    if (nbd_chunk_decode (data, &chunk) < 0 || chunk.cookie != request.cookie)
      return -EPROTO;
    if (chunk.type == NBD_CHUNK_BLOCK_STATUS) {
      r = receive_extents (upstream, chunk.length, view, total, list);
      full = r > 0;
      r = r > 0 ? 0 : r;
    } else if (chunk.type & NBD_CHUNK_ERROR_BIT)
      r = receive_error (upstream, chunk.length, nbd_error);
    else if (chunk.type != NBD_CHUNK_NONE || chunk.length != 0)
      r = -EPROTO;
  }
  return r < 0 ? r : full;
}

/* What is answered without data may have a simple reply, too. */
int
gateway_upstream_trim (struct upstream *upstream, uint64_t offset,
                       uint32_t length, uint32_t *nbd_error)
{
  struct nbd_request request = {
    .type = NBD_CMD_TRIM, .cookie = ++upstream->next_cookie,
    .offset = offset, .length = length
  };
  struct nbd_simple_reply simple = { 0 };
  struct nbd_chunk chunk = { 0 };
  uint8_t data[NBD_REQUEST_SIZE];
  int r;

  nbd_request_encode (data, &request);
  r = full_send (upstream->fd, data, sizeof data);
  if (r == 0)
    r = full_recv (upstream->fd, data, NBD_SIMPLE_REPLY_SIZE);
  if (r < 0)
    return r;
  if (nbd_simple_reply_decode (data, &simple) == 0) {
    if (simple.cookie == request.cookie && simple.error != 0)
      *nbd_error = simple.error;
    return simple.cookie == request.cookie ? 0 : -EPROTO;
  }
  r = full_recv (upstream->fd, data + NBD_SIMPLE_REPLY_SIZE,
                 NBD_CHUNK_SIZE - NBD_SIMPLE_REPLY_SIZE);
  if (r < 0)
    return r;
  if (nbd_chunk_decode (data, &chunk) < 0 || chunk.cookie != request.cookie ||
      !(chunk.flags & NBD_CHUNK_FLAG_DONE))
    return -EPROTO;
  if (chunk.type & NBD_CHUNK_ERROR_BIT)
    return receive_error (upstream, chunk.length, nbd_error);
  return chunk.type == NBD_CHUNK_NONE && chunk.length == 0 ? 0 : -EPROTO;
}
