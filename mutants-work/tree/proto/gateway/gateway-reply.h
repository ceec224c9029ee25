/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Replies of the transmission phase, simple or structured as negotiated.
 * Two threads of a connection reply; the lock is held for a whole reply. */
#ifndef PULLBACK_GATEWAY_REPLY_H
#define PULLBACK_GATEWAY_REPLY_H

#include <pthread.h>

#include "nbd-wire.h"

struct reply_channel {
  int fd;                       /* the client; borrowed */
  bool structured;
  pthread_mutex_t lock;         /* held while a reply is being sent */
};

/* The head of a successful read's reply at most, in bytes. */
#define REPLY_HEAD_MAX (NBD_CHUNK_SIZE + 8)

/* An error.  MESSAGE, one sentence, is seen by clients with structured
 * replies.  All senders: 0 or -errno, after which the client is lost. */
int gateway_reply_error (struct reply_channel *channel, uint64_t cookie, uint32_t nbd_error, const char *message) WARN_UNUSED;

/* Success without data. */
int gateway_reply_done (struct reply_channel *channel, uint64_t cookie) WARN_UNUSED;

/* Sends whole chunks made by the caller; frees CHUNKS. */
int gateway_reply_chunks (struct reply_channel *channel, struct nbd_buffer *chunks) WARN_UNUSED;

/* Writes what goes before LENGTH bytes (not 0) of a read to HEAD and returns
 * its size.  LAST: no other chunk of this reply follows.  The caller holds the lock from sending it until the data
 * is out. */
size_t gateway_reply_read_head (const struct reply_channel *channel, uint64_t cookie, uint64_t offset, uint32_t length, bool last, uint8_t head[REPLY_HEAD_MAX]);

#endif
