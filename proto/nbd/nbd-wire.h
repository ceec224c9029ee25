/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The NBD protocol's numbers, and bounded encoding and decoding of its
 * messages.  No sockets: everything here works on memory, so that it can be
 * fed with anything.  Decoders return 0 or -EBADMSG and never read past the
 * length they are given; what they hand out points into the input.
 * Threads: reentrant. */
#ifndef PULLBACK_NBD_WIRE_H
#define PULLBACK_NBD_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"

#define NBD_INIT_MAGIC UINT64_C (0x4e42444d41474943)      /* "NBDMAGIC" */
#define NBD_OPTION_MAGIC UINT64_C (0x49484156454f5054)    /* "IHAVEOPT" */
#define NBD_OPTION_REPLY_MAGIC UINT64_C (0x0003e889045565a9)
#define NBD_REQUEST_MAGIC UINT32_C (0x25609513)
#define NBD_SIMPLE_REPLY_MAGIC UINT32_C (0x67446698)
#define NBD_STRUCTURED_REPLY_MAGIC UINT32_C (0x668e33ef)

/* Sizes of fixed parts, in bytes. */
#define NBD_GREETING_SIZE 18
#define NBD_OPTION_SIZE 16
#define NBD_OPTION_REPLY_SIZE 20
#define NBD_EXPORT_NAME_ZEROES 124
#define NBD_REQUEST_SIZE 28
#define NBD_SIMPLE_REPLY_SIZE 16
#define NBD_CHUNK_SIZE 20
#define NBD_EXTENT_SIZE 8

#define NBD_STRING_MAX 4096

/* Handshake flags: server's and client's. */
#define NBD_FLAG_FIXED_NEWSTYLE 1
#define NBD_FLAG_NO_ZEROES 2

/* Transmission flags. */
#define NBD_FLAG_HAS_FLAGS 0x0001
#define NBD_FLAG_READ_ONLY 0x0002
#define NBD_FLAG_SEND_FLUSH 0x0004
#define NBD_FLAG_SEND_FUA 0x0008
#define NBD_FLAG_SEND_TRIM 0x0020
#define NBD_FLAG_SEND_WRITE_ZEROES 0x0040
#define NBD_FLAG_SEND_DF 0x0080
#define NBD_FLAG_CAN_MULTI_CONN 0x0100
#define NBD_FLAG_SEND_CACHE 0x0400
#define NBD_FLAG_SEND_FAST_ZERO 0x0800

enum nbd_option {
  NBD_OPT_EXPORT_NAME = 1,
  NBD_OPT_ABORT = 2,
  NBD_OPT_LIST = 3,
  NBD_OPT_STARTTLS = 5,
  NBD_OPT_INFO = 6,
  NBD_OPT_GO = 7,
  NBD_OPT_STRUCTURED_REPLY = 8,
  NBD_OPT_LIST_META_CONTEXT = 9,
  NBD_OPT_SET_META_CONTEXT = 10
};

#define NBD_REP_ACK UINT32_C (1)
#define NBD_REP_SERVER UINT32_C (2)
#define NBD_REP_INFO UINT32_C (3)
#define NBD_REP_META_CONTEXT UINT32_C (4)
#define NBD_REP_ERROR_BIT (UINT32_C (1) << 31)
#define NBD_REP_ERR_UNSUP (NBD_REP_ERROR_BIT | 1)
#define NBD_REP_ERR_POLICY (NBD_REP_ERROR_BIT | 2)
#define NBD_REP_ERR_INVALID (NBD_REP_ERROR_BIT | 3)
#define NBD_REP_ERR_UNKNOWN (NBD_REP_ERROR_BIT | 6)
#define NBD_REP_ERR_SHUTDOWN (NBD_REP_ERROR_BIT | 7)
#define NBD_REP_ERR_TOO_BIG (NBD_REP_ERROR_BIT | 9)

#define NBD_INFO_EXPORT 0
#define NBD_INFO_NAME 1
#define NBD_INFO_DESCRIPTION 2
#define NBD_INFO_BLOCK_SIZE 3

enum nbd_command {
  NBD_CMD_READ = 0,
  NBD_CMD_WRITE = 1,
  NBD_CMD_DISC = 2,
  NBD_CMD_FLUSH = 3,
  NBD_CMD_TRIM = 4,
  NBD_CMD_CACHE = 5,
  NBD_CMD_WRITE_ZEROES = 6,
  NBD_CMD_BLOCK_STATUS = 7
};

#define NBD_CMD_FLAG_FUA 0x0001
#define NBD_CMD_FLAG_NO_HOLE 0x0002
#define NBD_CMD_FLAG_DF 0x0004
#define NBD_CMD_FLAG_REQ_ONE 0x0008
#define NBD_CMD_FLAG_FAST_ZERO 0x0010

#define NBD_CHUNK_FLAG_DONE 1
#define NBD_CHUNK_NONE 0
#define NBD_CHUNK_OFFSET_DATA 1
#define NBD_CHUNK_BLOCK_STATUS 5
#define NBD_CHUNK_ERROR_BIT 0x8000
#define NBD_CHUNK_ERROR 0x8001

/* base:allocation */
#define NBD_STATE_HOLE 1
#define NBD_STATE_ZERO 2
/* qemu:dirty-bitmap:* */
#define NBD_STATE_DIRTY 1

/* Errors on the wire. */
#define NBD_EPERM 1
#define NBD_EIO 5
#define NBD_ENOMEM 12
#define NBD_EINVAL 22
#define NBD_ENOSPC 28
#define NBD_EOVERFLOW 75
#define NBD_ENOTSUP 95
#define NBD_ESHUTDOWN 108

struct nbd_option_header {
  uint32_t option;
  uint32_t length;              /* of the data that follows */
};

struct nbd_option_reply {
  uint32_t option;
  uint32_t type;
  uint32_t length;
};

struct nbd_request {
  uint16_t flags;
  uint16_t type;
  uint64_t cookie;
  uint64_t offset;
  uint32_t length;
};

struct nbd_simple_reply {
  uint32_t error;
  uint64_t cookie;
};

struct nbd_chunk {
  uint16_t flags;
  uint16_t type;
  uint64_t cookie;
  uint32_t length;
};

/* A string inside the input, not terminated. */
struct nbd_text {
  const char *bytes;
  size_t length;
};

/* Data of NBD_OPT_INFO and NBD_OPT_GO. */
struct nbd_info_request {
  struct nbd_text export;
  unsigned infos;               /* bit i: NBD_INFO_i was asked for (i < 32) */
};

/* Data of the META_CONTEXT options. */
struct nbd_meta_request {
  struct nbd_text export;
  uint32_t n_queries;
  const uint8_t *next;          /* where nbd_meta_request_next () goes on */
};

bool nbd_text_is (struct nbd_text text, const char *string);

uint16_t nbd_load16 (const uint8_t *p);
uint32_t nbd_load32 (const uint8_t *p);
uint64_t nbd_load64 (const uint8_t *p);

/* ERROR if it is one of those numbers, else NBD_EIO. */
uint32_t nbd_error_known (uint32_t error);

int nbd_option_decode (const uint8_t data[NBD_OPTION_SIZE], struct nbd_option_header *header) WARN_UNUSED;
int nbd_option_reply_decode (const uint8_t data[NBD_OPTION_REPLY_SIZE], struct nbd_option_reply *reply) WARN_UNUSED;
int nbd_request_decode (const uint8_t data[NBD_REQUEST_SIZE], struct nbd_request *request) WARN_UNUSED;
int nbd_simple_reply_decode (const uint8_t data[NBD_SIMPLE_REPLY_SIZE], struct nbd_simple_reply *reply) WARN_UNUSED;
int nbd_chunk_decode (const uint8_t data[NBD_CHUNK_SIZE], struct nbd_chunk *chunk) WARN_UNUSED;
int nbd_info_request_decode (const uint8_t *data, size_t length, struct nbd_info_request *request) WARN_UNUSED;

/* Checks all of DATA, queries included; nbd_meta_request_next () may then be
 * called n_queries times. */
int nbd_meta_request_decode (const uint8_t *data, size_t length, struct nbd_meta_request *request) WARN_UNUSED;
struct nbd_text nbd_meta_request_next (struct nbd_meta_request *request);

void nbd_request_encode (uint8_t data[NBD_REQUEST_SIZE], const struct nbd_request *request);
void nbd_simple_reply_encode (uint8_t data[NBD_SIMPLE_REPLY_SIZE], const struct nbd_simple_reply *reply);
void nbd_chunk_encode (uint8_t data[NBD_CHUNK_SIZE], const struct nbd_chunk *chunk);

/* A growing message.  Zero-initialise; nbd_buffer_free () when done.  When
 * memory runs out `failed` is set and stays. */
struct nbd_buffer {
  uint8_t *data;
  size_t length, capacity;
  bool failed;
};

void nbd_put16 (struct nbd_buffer *buffer, uint16_t value);
void nbd_put32 (struct nbd_buffer *buffer, uint32_t value);
void nbd_put64 (struct nbd_buffer *buffer, uint64_t value);
void nbd_put_bytes (struct nbd_buffer *buffer, const void *bytes, size_t length);
void nbd_put_zeroes (struct nbd_buffer *buffer, size_t length);
void nbd_buffer_free (struct nbd_buffer *buffer);

/* Sends all of it to FD, and frees it.  -ENOMEM if it has failed, or another
 * -errno. */
int nbd_buffer_send (struct nbd_buffer *buffer, int fd) WARN_UNUSED;

void nbd_option_put (struct nbd_buffer *buffer, uint32_t option, uint32_t length);
void nbd_option_reply_put (struct nbd_buffer *buffer, uint32_t option, uint32_t type, uint32_t length);

#endif
