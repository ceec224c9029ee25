/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The reads, and what changes a writable export, of one client that are not yet
 * answered, each cut into pieces that are handed upstream.  A piece's number is the cookie upstream sees, so two
 * requests of a client with the same cookie, or any other odd one, do no harm.
 * Bounded in number and in bytes.
 * Threads: the request pump begins reads and adds pieces, the reply pump takes
 * and releases pieces; a read ends in whichever is the last to touch it. */
#ifndef PULLBACK_GATEWAY_INFLIGHT_H
#define PULLBACK_GATEWAY_INFLIGHT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "cleanup.h"
#include "gateway-slots.h"

#define INFLIGHT_PIECES 64

struct inflight_read {
  uint64_t cookie;              /* the client's */
  uint64_t offset;
  uint32_t length;              /* of what has no payload: pieces, each of 1 */
  uint16_t command;             /* NBD_CMD_READ, which is 0, and what a
                                   writable export takes */
  bool whole;                   /* several pieces, but the client wants one run
                                   of bytes: nothing else in between */
  uint32_t error;               /* NBD error of the first piece that failed */
  uint32_t left;                /* bytes neither answered nor given up; 0: a
                                   free place */
};

struct inflight_piece {
  struct inflight_read *read;   /* NULL: a free place */
  uint64_t offset;
  uint32_t length;
  uint32_t slot;                /* where the memory has it, if there is memory */
  bool begun;                   /* upstream has begun to answer it */
};

struct inflight {
  pthread_mutex_t lock;         /* protects all below */
  pthread_cond_t changed;
  /* Each has a piece under way, but for the one that is being cut. */
  struct inflight_read reads[INFLIGHT_PIECES + 1];
  struct inflight_piece pieces[INFLIGHT_PIECES];
  unsigned count, unbegun;      /* of pieces */
  uint64_t bytes, limit;        /* of pieces */
  bool in_memory;               /* pieces have slots; constant */
  struct slots slots;
  bool closed;                  /* no more pieces are taken */
  bool gone;                    /* nobody releases any more */
};

/* LIMIT: most bytes under way, but for a piece that is alone.  IN_MEMORY: each
 * piece gets a slot of the first LIMIT bytes of the memory, and is no longer. */
void gateway_inflight_create (struct inflight *inflight, uint64_t limit, bool in_memory);
void gateway_inflight_destroy (struct inflight *inflight);
void gateway_inflight_set_limit (struct inflight *inflight, uint64_t limit);

/* Takes a place for READ (all but error and left is used). */
struct inflight_read *gateway_inflight_begin (struct inflight *inflight, const struct inflight_read *read);

/* Adds a piece of READ, whose *SLOT is set if there is memory: its number, -EAGAIN
 * if there is no room and WAIT is false (else waits), -ESHUTDOWN once closed,
 * -ECANCELED if a piece of READ has failed, -ENOBUFS if it is longer than all
 * slots. */
int gateway_inflight_add (struct inflight *inflight, struct inflight_read *read, uint64_t offset, uint32_t length, bool wait, uint32_t *slot) WARN_UNUSED;

/* Waits until upstream has begun to answer each piece.  -ESHUTDOWN once
 * closed. */
int gateway_inflight_wait_begun (struct inflight *inflight) WARN_UNUSED;

/* Upstream begins to answer piece NUMBER, with ERROR or with data (0).  Fills
 * PIECE and READ with what they are now.  -EBADMSG if there is no such piece. */
int gateway_inflight_take (struct inflight *inflight, uint64_t number, uint32_t error, struct inflight_piece *piece, struct inflight_read *read) WARN_UNUSED;

/* Is there a piece that upstream has not begun to answer? */
bool gateway_inflight_is_waiting (struct inflight *inflight);

/* The piece is answered.  True if so is the read, which is then in END. */
bool gateway_inflight_release (struct inflight *inflight, uint64_t number, struct inflight_read *end) WARN_UNUSED;

/* The last LENGTH bytes of READ will not be asked for.  As gateway_inflight_release. */
bool gateway_inflight_give_up (struct inflight *inflight, struct inflight_read *read, uint32_t length, struct inflight_read *end) WARN_UNUSED;

/* Waits until every piece is released: 0.  -ETIMEDOUT at DEADLINE_MS,
 * -ESHUTDOWN if nobody releases any more. */
int gateway_inflight_drain (struct inflight *inflight, int64_t deadline_ms) WARN_UNUSED;

/* No more pieces are taken; whoever waits to add one wakes. */
void gateway_inflight_close (struct inflight *inflight);

/* The releasing thread ends; whoever waits wakes. */
void gateway_inflight_finish (struct inflight *inflight);

#endif
