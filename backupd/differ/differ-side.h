/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One of the two disks: an NBD server, by one connection or several.  Everything is asked for without
 * waiting, and answered within differ_side_wait.  Threads: one. */
#ifndef PULLBACK_DIFFER_SIDE_H
#define PULLBACK_DIFFER_SIDE_H

#include <stdbool.h>
#include <stdint.h>

#include "failure.h"

#define DIFFER_CONNECTIONS_MOST 16

struct differ_side;

struct differ_facts {
  const char *name;             /* "source" or "target" */
  uint64_t size;
  uint32_t block;               /* its requests begin and end at multiples of it, or at the disk's end; a
                                 * power of two, at most DIFFER_BLOCK_MOST */
  bool tells_zeros;             /* block status can be asked for */
  bool zeroes;                  /* has a request for that */
  int connections;
};

/* What was asked for; the caller's, untouched until BUSY is false again.  All zero before its first use. */
struct differ_request {
  bool busy;
  int error;                    /* a positive errno */
  /* Of block status: each extent that the server tells of, in order; -errno: no more are wanted. */
  int (*take) (void *opaque, uint32_t length, bool zero);
  void *opaque;
};

/* Connects to URI, once or, where the server says that it makes no difference, CONNECTIONS times.  STOP is
 * readable when it should not be waited any more (-EINTR).  WRITABLE: the target, which is refused if it is
 * read-only.  The sentences name the side. */
int differ_side_open (const char *uri, bool writable, int connections, int stop, struct differ_side **side,
                      struct failure *why) WARN_UNUSED;
/* NULL is fine.  What is still asked for is forgotten: REQUESTs may go then. */
void differ_side_close (struct differ_side *side);
const struct differ_facts *differ_side_facts (const struct differ_side *side);

/* Ask for something; BUFFERs are the caller's until it is done.  No request but flush may be empty. */
int differ_side_read (struct differ_side *side, void *buffer, uint32_t length, uint64_t offset,
                      struct differ_request *request, struct failure *why) WARN_UNUSED;
int differ_side_write (struct differ_side *side, const void *buffer, uint32_t length, uint64_t offset,
                       struct differ_request *request, struct failure *why) WARN_UNUSED;
/* NO_HOLE: keeps the storage. */
int differ_side_zero (struct differ_side *side, uint32_t length, uint64_t offset, bool no_hole,
                      struct differ_request *request, struct failure *why) WARN_UNUSED;
int differ_side_status (struct differ_side *side, uint32_t length, uint64_t offset,
                        struct differ_request *request, struct failure *why) WARN_UNUSED;
/* Of everything that was answered before; done at once where the server does not know flushes. */
int differ_side_flush (struct differ_side *side, struct differ_request *request,
                       struct failure *why) WARN_UNUSED;

/* Waits until something is answered on SIDES, of which there are N, at most until DEADLINE (ms of
 * CLOCK_MONOTONIC).  1: STOP is readable; STOP may be -1.  -errno: a connection was lost; what was asked for there
 * is done, with an error. */
int differ_side_wait (struct differ_side *const *sides, unsigned n, int stop, int64_t deadline,
                      struct failure *why) WARN_UNUSED;

#endif
