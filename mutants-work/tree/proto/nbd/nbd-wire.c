/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes are put and taken one field at a time: the wire has no alignment, and
 * a struct laid over it would have the compiler's.  Putting never fails by
 * itself; a buffer without memory remembers that, and is looked at once,
 * before it is sent. */
#include <config.h>

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "full-io.h"
#include "nbd-wire.h"

bool
nbd_text_is (struct nbd_text text, const char *string)
{
  return text.length == strlen (string) &&
         memcmp (text.bytes, string, text.length) == 0;
}

uint16_t
nbd_load16 (const uint8_t *p)
{
  uint16_t value;

  memcpy (&value, p, sizeof value);
  return be16toh (value);
}

uint32_t
nbd_load32 (const uint8_t *p)
{
  uint32_t value;

  memcpy (&value, p, sizeof value);
  return be32toh (value);
}

uint64_t
nbd_load64 (const uint8_t *p)
{
  uint64_t value;

  memcpy (&value, p, sizeof value);
  return be64toh (value);
}

static void
store16 (uint8_t *p, uint16_t value)
{
  value = htobe16 (value);
  memcpy (p, &value, sizeof value);
}

static void
store32 (uint8_t *p, uint32_t value)
{
  value = htobe32 (value);
  memcpy (p, &value, sizeof value);
}

static void
store64 (uint8_t *p, uint64_t value)
{
  value = htobe64 (value);
  memcpy (p, &value, sizeof value);
}

uint32_t
nbd_error_known (uint32_t error)
{
  switch (error) {
  case NBD_EPERM:
  case NBD_ENOMEM:
  case NBD_EINVAL:
  case NBD_ENOSPC:
  case NBD_EOVERFLOW:
  case NBD_ENOTSUP:
  case NBD_ESHUTDOWN:
    return error;
  default:
    return NBD_EIO;
  }
}

int
nbd_option_decode (const uint8_t data[NBD_OPTION_SIZE],
                   struct nbd_option_header *header)
{
  if (nbd_load64 (data) != NBD_OPTION_MAGIC)
    return -EBADMSG;
  header->option = nbd_load32 (data + 8);
  header->length = nbd_load32 (data + 12);
  return 0;
}

int
nbd_option_reply_decode (const uint8_t data[NBD_OPTION_REPLY_SIZE],
                         struct nbd_option_reply *reply)
{
  if (nbd_load64 (data) != NBD_OPTION_REPLY_MAGIC)
    return -EBADMSG;
  reply->option = nbd_load32 (data + 8);
  reply->type = nbd_load32 (data + 12);
  reply->length = nbd_load32 (data + 16);
  return 0;
}

int
nbd_request_decode (const uint8_t data[NBD_REQUEST_SIZE],
                    struct nbd_request *request)
{
  if (nbd_load32 (data) != NBD_REQUEST_MAGIC)
    return -EBADMSG;
  request->flags = nbd_load16 (data + 4);
  request->type = nbd_load16 (data + 6);
  request->cookie = nbd_load64 (data + 8);
  request->offset = nbd_load64 (data + 16);
  request->length = nbd_load32 (data + 24);
  return 0;
}

int
nbd_simple_reply_decode (const uint8_t data[NBD_SIMPLE_REPLY_SIZE],
                         struct nbd_simple_reply *reply)
{
  if (nbd_load32 (data) != NBD_SIMPLE_REPLY_MAGIC)
    return -EBADMSG;
  reply->error = nbd_load32 (data + 4);
  reply->cookie = nbd_load64 (data + 8);
  return 0;
}

int
nbd_chunk_decode (const uint8_t data[NBD_CHUNK_SIZE], struct nbd_chunk *chunk)
{
  if (nbd_load32 (data) != NBD_STRUCTURED_REPLY_MAGIC)
    return -EBADMSG;
  chunk->flags = nbd_load16 (data + 4);
  chunk->type = nbd_load16 (data + 6);
  chunk->cookie = nbd_load64 (data + 8);
  chunk->length = nbd_load32 (data + 16);
  return 0;
}

/* Takes a string with its 32-bit length off the front of the input. */
static int
take_text (const uint8_t **data, size_t *left, struct nbd_text *text)
{
  uint32_t length;

  if (*left < 4)
    return -EBADMSG;
  length = nbd_load32 (*data);
  if (length > *left - 4)
    return -EBADMSG;
  text->bytes = (const char *) *data + 4;
  text->length = length;
  *data += 4 + (size_t) length;
  *left -= 4 + (size_t) length;
  return 0;
}

int
nbd_info_request_decode (const uint8_t *data, size_t length,
                         struct nbd_info_request *request)
{
  struct nbd_info_request out = { 0 };
  size_t i, n;

  if (take_text (&data, &length, &out.export) < 0 || length < 2)
    return -EBADMSG;
  n = nbd_load16 (data);
  if (length - 2 != n * 2)
    return -EBADMSG;
  for (i = 0; i < n; i++) {
    uint16_t info = nbd_load16 (data + 2 + 2 * i);
    if (info < 32)
      out.infos |= 1U << info;
  }
  *request = out;
  return 0;
}

int
nbd_meta_request_decode (const uint8_t *data, size_t length,
                         struct nbd_meta_request *request)
{
  struct nbd_meta_request out = { 0 };
  struct nbd_text ignored;
  uint32_t i;

  if (take_text (&data, &length, &out.export) < 0 || length < 4)
    return -EBADMSG;
  out.n_queries = nbd_load32 (data);
  data += 4;
  length -= 4;
  out.next = data;
  for (i = 0; i < out.n_queries; i++)
    if (take_text (&data, &length, &ignored) < 0)
      return -EBADMSG;
  if (length != 0)
    return -EBADMSG;
  *request = out;
  return 0;
}

struct nbd_text
nbd_meta_request_next (struct nbd_meta_request *request)
{
  struct nbd_text query;

  query.length = nbd_load32 (request->next);
  query.bytes = (const char *) request->next + 4;
  request->next += 4 + query.length;
  return query;
}

void
nbd_request_encode (uint8_t data[NBD_REQUEST_SIZE],
                    const struct nbd_request *request)
{
  store32 (data, NBD_REQUEST_MAGIC);
  store16 (data + 4, request->flags);
  store16 (data + 6, request->type);
  store64 (data + 8, request->cookie);
  store64 (data + 16, request->offset);
  store32 (data + 24, request->length);
}

void
nbd_simple_reply_encode (uint8_t data[NBD_SIMPLE_REPLY_SIZE],
                         const struct nbd_simple_reply *reply)
{
  store32 (data, NBD_SIMPLE_REPLY_MAGIC);
  store32 (data + 4, reply->error);
  store64 (data + 8, reply->cookie);
}

void
nbd_chunk_encode (uint8_t data[NBD_CHUNK_SIZE], const struct nbd_chunk *chunk)
{
  store32 (data, NBD_STRUCTURED_REPLY_MAGIC);
  store16 (data + 4, chunk->flags);
  store16 (data + 6, chunk->type);
  store64 (data + 8, chunk->cookie);
  store32 (data + 16, chunk->length);
}

/* Makes room for LENGTH more bytes and returns where they go, or NULL. */
static uint8_t *
grow (struct nbd_buffer *buffer, size_t length)
{
  size_t capacity = buffer->capacity ? buffer->capacity : 256;
  uint8_t *data;

  if (buffer->failed || length > SIZE_MAX / 4 - buffer->length) {
    buffer->failed = true;
    return NULL;
  }
  while (capacity < buffer->length + length)
    capacity *= 2;
  if (capacity != buffer->capacity) {
    data = realloc (buffer->data, capacity);
    if (data == NULL) {
      buffer->failed = true;
      return NULL;
    }
    buffer->data = data;
    buffer->capacity = capacity;
  }
  data = buffer->data + buffer->length;
  buffer->length += length;
  return data;
}

void
nbd_put16 (struct nbd_buffer *buffer, uint16_t value)
{
  uint8_t *p = grow (buffer, 2);

  if (p != NULL)
    store16 (p, value);
}

void
nbd_put32 (struct nbd_buffer *buffer, uint32_t value)
{
  uint8_t *p = grow (buffer, 4);

  if (p != NULL)
    store32 (p, value);
}

void
nbd_put64 (struct nbd_buffer *buffer, uint64_t value)
{
  uint8_t *p = grow (buffer, 8);

  if (p != NULL)
    store64 (p, value);
}

void
nbd_put_bytes (struct nbd_buffer *buffer, const void *bytes, size_t length)
{
  uint8_t *p = length > 0 ? grow (buffer, length) : NULL;

  if (p != NULL)
    memcpy (p, bytes, length);
}

void
nbd_put_zeroes (struct nbd_buffer *buffer, size_t length)
{
  uint8_t *p = grow (buffer, length);

  if (p != NULL)
    memset (p, 0, length);
}

void
nbd_buffer_free (struct nbd_buffer *buffer)
{
  free (buffer->data);
  *buffer = (struct nbd_buffer) { 0 };
}

int
nbd_buffer_send (struct nbd_buffer *buffer, int fd)
{
  int r = buffer->failed ? -ENOMEM
                         : full_send (fd, buffer->data, buffer->length);

  nbd_buffer_free (buffer);
  return r;
}

void
nbd_option_put (struct nbd_buffer *buffer, uint32_t option, uint32_t length)
{
  nbd_put64 (buffer, NBD_OPTION_MAGIC);
  nbd_put32 (buffer, option);
  nbd_put32 (buffer, length);
}

void
nbd_option_reply_put (struct nbd_buffer *buffer, uint32_t option,
                      uint32_t type, uint32_t length)
{
  nbd_put64 (buffer, NBD_OPTION_REPLY_MAGIC);
  nbd_put32 (buffer, option);
  nbd_put32 (buffer, type);
  nbd_put32 (buffer, length);
}
