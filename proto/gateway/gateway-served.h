/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which ranges of an export clients have, so that one that was cut off need not
 * begin anew.  Two granule maps in files, which outlive the gateway:
 *
 *   FOLDER/EXPORT.sent        read, and the whole reply went into the client's
 *                             socket.  The client may have died before it took
 *                             or stored it.
 *   FOLDER/EXPORT.confirmed   sent, and the client said afterwards, by a flush
 *                             over the same connection, that it has stored all
 *                             that it got there.
 *
 * Both: a client has given it back, or was about to, and so need not be sent it, by none
 * of the disk's exports.
 *
 * A bit means a whole granule.  Whatever is not noted is only read again; what is
 * noted must be true. */
#ifndef PULLBACK_GATEWAY_SERVED_H
#define PULLBACK_GATEWAY_SERVED_H

#include <pthread.h>

#include "extent-list.h"
#include "failure.h"

#define CONTEXT_SERVED "pullback:served"
/* Flags of that context. */
#define SERVED_SENT 1
#define SERVED_CONFIRMED 2

#define SERVED_FRAGMENTS 64
#define SERVED_RANGES 1024

/* Of one export.  Threads: any. */
struct served;

/* Opens the files of EXPORT for writing.  *SERVED is NULL if there are none, which
 * is no error: of such an export nothing is noted.  -errno with a sentence. */
int gateway_served_open (const char *folder, const char *export, struct served **served, struct failure *why) WARN_UNUSED;
void gateway_served_close (struct served *served);

/* OTHER, joined to none yet, is of the same disk as SERVED: what is given back by one of
 * them is so by the other.  Ignored where their sizes differ.  Before there are sessions;
 * close all of a disk together. */
void gateway_served_join_disk (struct served *served, struct served *other);

uint64_t gateway_served_size (const struct served *served);

/* Appends what is noted of LENGTH bytes at OFFSET, inside the disk, to LIST, as
 * far as it takes it.  -ENOMEM. */
int gateway_served_extents (const struct served *served, uint64_t offset, uint64_t length, struct extent_list *list) WARN_UNUSED;

struct served_range {
  uint64_t begin, end;          /* bytes; empty if equal */
};

/* What one connection has got. */
struct served_session {
  struct served *served;        /* borrowed; NULL: nothing is noted */
  /* Parts of granules, the reply pump's. */
  struct served_range fragments[SERVED_FRAGMENTS];
  unsigned next_fragment;
  pthread_mutex_t lock;         /* protects all below */
  /* Whole granules, sent and not confirmed. */
  struct served_range ranges[SERVED_RANGES];
  unsigned count, latest;
};

/* SESSION: zeros.  SERVED: NULL, or maps that are used if they are of SIZE bytes. */
void gateway_served_join (struct served_session *session, struct served *served, uint64_t size);
void gateway_served_leave (struct served_session *session);

/* A read of LENGTH bytes at OFFSET was answered: the last byte of the reply is in
 * the client's socket.  One thread per session. */
void gateway_served_mark (struct served_session *session, uint64_t offset, uint64_t length);

/* The client gives LENGTH bytes at OFFSET back, inside the disk: by all exports of it.
 * -errno: that cannot be noted. */
int gateway_served_consume (struct served_session *session, uint64_t offset, uint64_t length) WARN_UNUSED;

/* The client has stored all that it got over this connection.  -errno: that cannot
 * be noted. */
int gateway_served_confirm (struct served_session *session) WARN_UNUSED;

#endif
