/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A connection to an export of the upstream NBD server.
 *
 * Three kinds.  A data connection speaks simple replies, so that the payload of
 * a read follows one fixed header and can be spliced.  A memory connection is one
 * whose server reads into memory instead (gateway-memory.h).  A status connection has
 * structured replies and base:allocation, and is asked one thing at a time: a
 * question, or a trim.
 *
 * Not thread-safe, but the descriptor of a data connection may be written by
 * one thread and read by another once it is open. */
#ifndef PULLBACK_GATEWAY_UPSTREAM_H
#define PULLBACK_GATEWAY_UPSTREAM_H

#include "extent-list.h"
#include "failure.h"
#include "handover-memory.h"
#include "nbd-wire.h"

/* What every server takes. */
#define UPSTREAM_MAX_READ (UINT32_C (32) << 20)

struct upstream {
  int fd;                       /* -1 when closed */
  uint64_t size;                /* of the export, bytes */
  uint16_t flags;               /* transmission flags */
  uint32_t min_block, preferred_block;  /* 1 and 4096 unless it said so */
  uint32_t max_read;            /* 32 MiB unless it said so */
  uint32_t context_id;          /* base:allocation; status connections */
  uint64_t next_cookie;
  uint64_t memory_number;       /* UINT64_MAX unless it said so */
  struct handover_memory memory;        /* its start is NULL: there is none */
};

enum upstream_kind { UPSTREAM_DATA, UPSTREAM_MEMORY, UPSTREAM_STATUS };

/* Connects to the unix socket SOCKET and chooses EXPORT.  Takes at most about
 * half a minute.  -ENOENT: the server does not have it; -ESHUTDOWN: there is no
 * server; other -errno: it is of no use; WHY has the sentence. */
int gateway_upstream_open (const char *socket_path, const char *export, enum upstream_kind kind, struct upstream *upstream, struct failure *why) WARN_UNUSED;

/* Asks to trim LENGTH bytes at OFFSET, over a status connection.  An error that the
 * server replied is 0 with *NBD_ERROR set to its number (it is left alone otherwise).
 * -errno: the connection is unusable, close it. */
int gateway_upstream_trim (struct upstream *upstream, uint64_t offset, uint32_t length, uint32_t *nbd_error) WARN_UNUSED;

/* Tells the server that no request follows; it must owe no reply. */
void gateway_upstream_say_goodbye (struct upstream *upstream);

/* Closes without a word, and lets go of the memory; a closed one may be closed again. */
void gateway_upstream_close (struct upstream *upstream);

/* Asks for the allocation of LENGTH bytes at OFFSET, of its first extent only
 * if ONE, and appends the answer to LIST, up to TOTAL bytes in it.  0: ask on; 1: LIST is complete or full.  An
 * error that the server replied is 0 with *NBD_ERROR set to its number (it is
 * left alone otherwise).  -errno: the connection is unusable, close it. */
int gateway_upstream_block_status (struct upstream *upstream, uint64_t offset, uint32_t length, bool one, enum extent_view view, uint64_t total, struct extent_list *list, uint32_t *nbd_error) WARN_UNUSED;

#endif
