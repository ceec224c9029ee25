/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A reply is one send under the channel's lock, head and all, as the other
 * thread of the connection may reply in between two.  Only a read's payload
 * does not pass here: its head is made here, and the pump sends it with the
 * first bytes. */
#include <config.h>

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "gateway-reply.h"

int
gateway_reply_chunks (struct reply_channel *channel, struct nbd_buffer *chunks)
{
  int r;

  pthread_mutex_lock (&channel->lock);
  r = nbd_buffer_send (chunks, channel->fd);
  pthread_mutex_unlock (&channel->lock);
  return r;
}

static int
reply_simple (struct reply_channel *channel, uint64_t cookie,
              uint32_t nbd_error)
{
  struct nbd_simple_reply reply = { nbd_error, cookie };
  struct nbd_buffer out = { 0 };
  uint8_t data[NBD_SIMPLE_REPLY_SIZE];

  nbd_simple_reply_encode (data, &reply);
  nbd_put_bytes (&out, data, sizeof data);
  return gateway_reply_chunks (channel, &out);
}

int
gateway_reply_error (struct reply_channel *channel, uint64_t cookie,
                     uint32_t nbd_error, const char *message)
{
  size_t length = strlen (message);  /* sentences, below 4 KiB */
  struct nbd_chunk chunk = {
    .flags = NBD_CHUNK_FLAG_DONE, .type = NBD_CHUNK_ERROR, .cookie = cookie,
    .length = (uint32_t) (4 + 2 + length)
  };
  struct nbd_buffer out = { 0 };
  uint8_t data[NBD_CHUNK_SIZE];

  if (!channel->structured)
    return reply_simple (channel, cookie, nbd_error);
  nbd_chunk_encode (data, &chunk);
  nbd_put_bytes (&out, data, sizeof data);
  nbd_put32 (&out, nbd_error);
  nbd_put16 (&out, (uint16_t) length);
  nbd_put_bytes (&out, message, length);
  return gateway_reply_chunks (channel, &out);
}

int
gateway_reply_done (struct reply_channel *channel, uint64_t cookie)
{
  struct nbd_chunk chunk = { .flags = NBD_CHUNK_FLAG_DONE,
                             .type = NBD_CHUNK_NONE, .cookie = cookie };
  struct nbd_buffer out = { 0 };
  uint8_t data[NBD_CHUNK_SIZE];

  if (!channel->structured)
    return reply_simple (channel, cookie, 0);
  nbd_chunk_encode (data, &chunk);
  nbd_put_bytes (&out, data, sizeof data);
  return gateway_reply_chunks (channel, &out);
}

size_t
gateway_reply_read_head (const struct reply_channel *channel, uint64_t cookie,
                         uint64_t offset, uint32_t length, bool last,
                         uint8_t head[REPLY_HEAD_MAX])
{
  struct nbd_simple_reply simple = { 0, cookie };
  struct nbd_chunk chunk = {
    .flags = last ? NBD_CHUNK_FLAG_DONE : 0, .type = NBD_CHUNK_OFFSET_DATA,
    .cookie = cookie, .length = 8 + length
  };

  if (!channel->structured) {
    nbd_simple_reply_encode (head, &simple);
    return NBD_SIMPLE_REPLY_SIZE;
  }
  nbd_chunk_encode (head, &chunk);
  offset = htobe64 (offset);
  memcpy (head + NBD_CHUNK_SIZE, &offset, sizeof offset);
  return NBD_CHUNK_SIZE + sizeof offset;
}
