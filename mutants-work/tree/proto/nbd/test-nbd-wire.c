/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nbd-wire.h"

static void
test_request_round_trip (void)
{
  struct nbd_request in = { NBD_CMD_FLAG_REQ_ONE, NBD_CMD_BLOCK_STATUS,
                            UINT64_C (0xfedcba9876543210),
                            UINT64_C (0x123456789abcdef0), 0x89abcdef }, out;
  uint8_t data[NBD_REQUEST_SIZE];

  nbd_request_encode (data, &in);
  assert (memcmp (data, "\x25\x60\x95\x13\0\x08\0\x07\xfe\xdc\xba\x98", 12)
          == 0);
  assert (nbd_request_decode (data, &out) == 0);
  assert (out.flags == in.flags && out.type == in.type &&
          out.cookie == in.cookie && out.offset == in.offset &&
          out.length == in.length);
  data[0] ^= 1;
  assert (nbd_request_decode (data, &out) == -EBADMSG);
}

static void
test_reply_round_trip (void)
{
  struct nbd_simple_reply simple = { NBD_EIO, 77 }, simple2;
  struct nbd_chunk chunk = { NBD_CHUNK_FLAG_DONE, NBD_CHUNK_ERROR, 78, 9 },
                   chunk2;
  uint8_t data[NBD_CHUNK_SIZE];

  nbd_simple_reply_encode (data, &simple);
  assert (nbd_simple_reply_decode (data, &simple2) == 0);
  assert (simple2.error == NBD_EIO && simple2.cookie == 77);
  assert (nbd_chunk_decode (data, &chunk2) == -EBADMSG);
  nbd_chunk_encode (data, &chunk);
  assert (nbd_chunk_decode (data, &chunk2) == 0);
  assert (chunk2.flags == NBD_CHUNK_FLAG_DONE &&
          chunk2.type == NBD_CHUNK_ERROR && chunk2.cookie == 78 &&
          chunk2.length == 9);
  assert (nbd_simple_reply_decode (data, &simple2) == -EBADMSG);
}

static void
put_text (struct nbd_buffer *buffer, const char *text)
{
  nbd_put32 (buffer, (uint32_t) strlen (text));
  nbd_put_bytes (buffer, text, strlen (text));
}

/* A copy of the right size, so that a sanitizer sees a byte too many. */
static uint8_t *
exact_copy (const uint8_t *data, size_t length)
{
  uint8_t *copy = malloc (length > 0 ? length : 1);

  assert (copy != NULL);
  if (length > 0)
    memcpy (copy, data, length);
  return copy;
}

static void
test_info_request (void)
{
  struct nbd_info_request request;
  struct nbd_buffer in = { 0 };
  size_t i;

  put_text (&in, "vda");
  nbd_put16 (&in, 3);
  nbd_put16 (&in, NBD_INFO_DESCRIPTION);
  nbd_put16 (&in, NBD_INFO_BLOCK_SIZE);
  nbd_put16 (&in, 60000);      /* from the future */
  assert (nbd_info_request_decode (in.data, in.length, &request) == 0);
  assert (nbd_text_is (request.export, "vda"));
  assert (request.infos == (1U << NBD_INFO_DESCRIPTION |
                            1U << NBD_INFO_BLOCK_SIZE));
  for (i = 0; i < in.length; i++) {
    uint8_t *copy = exact_copy (in.data, i);

    assert (nbd_info_request_decode (copy, i, &request) == -EBADMSG);
    free (copy);
  }
  nbd_put16 (&in, 0);          /* more than it says */
  assert (nbd_info_request_decode (in.data, in.length, &request) == -EBADMSG);
  nbd_buffer_free (&in);
}

static void
put_meta_request (struct nbd_buffer *in)
{
  put_text (in, "vda");
  nbd_put32 (in, 2);
  put_text (in, "base:allocation");
  put_text (in, "qemu:");
}

static void
test_meta_request (void)
{
  struct nbd_meta_request request;
  struct nbd_buffer in = { 0 };
  size_t i;

  put_meta_request (&in);
  assert (nbd_meta_request_decode (in.data, in.length, &request) == 0);
  assert (request.n_queries == 2 && nbd_text_is (request.export, "vda"));
  assert (nbd_text_is (nbd_meta_request_next (&request), "base:allocation"));
  assert (nbd_text_is (nbd_meta_request_next (&request), "qemu:"));
  for (i = 0; i < in.length; i++) {
    uint8_t *copy = exact_copy (in.data, i);

    assert (nbd_meta_request_decode (copy, i, &request) == -EBADMSG);
    free (copy);
  }
  nbd_buffer_free (&in);
}

/* Whatever the bytes, what is handed out lies inside them. */
static void
test_mutations (unsigned seed)
{
  struct nbd_buffer in = { 0 };
  unsigned round;

  put_meta_request (&in);
  for (round = 0; round < 20000; round++) {
    uint8_t *copy = exact_copy (in.data, in.length);
    struct nbd_meta_request meta;
    struct nbd_info_request info;
    int flips = rand_r (&seed) % 4 + 1;
    uint32_t i;

    while (flips-- > 0)
      copy[(size_t) rand_r (&seed) % in.length] = (uint8_t) rand_r (&seed);
    if (nbd_meta_request_decode (copy, in.length, &meta) == 0)
      for (i = 0; i < meta.n_queries; i++) {
        struct nbd_text query = nbd_meta_request_next (&meta);

        assert ((const uint8_t *) query.bytes + query.length <=
                copy + in.length);
      }
    if (nbd_info_request_decode (copy, in.length, &info) == 0)
      assert (info.export.length <= in.length);
    free (copy);
  }
  nbd_buffer_free (&in);
}

int
main (void)
{
  const char *text = getenv ("SEED");
  unsigned seed = text != NULL ? (unsigned) strtoul (text, NULL, 10) :
                                 (unsigned) time (NULL);

  printf ("SEED=%u\n", seed);
  test_request_round_trip ();
  test_reply_round_trip ();
  test_info_request ();
  test_meta_request ();
  test_mutations (seed);
  return 0;
}
