/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory that the view fills and the gateway sends from, HANDOVER_BYTES of it.  The
 * view makes it and maps it writable; the gateway can only read, and neither can
 * make it shorter, which would end the other with SIGBUS.
 *
 * It is of one connection between the two and never of another: what a view that
 * was killed, or a request that nobody waits for any more, still writes goes where
 * nobody reads.  It is gone when both have let go of it, however they ended.
 *
 * Threads: any, of one memory one at a time. */
#ifndef PULLBACK_HANDOVER_MEMORY_H
#define PULLBACK_HANDOVER_MEMORY_H

#include <stdint.h>

#include "cleanup.h"

struct handover_memory {
  char *start;                  /* NULL: there is none */
  int fd;                       /* the view's; the gateway closes its own */
};

/* The view's: takes no space before handover_memory_back.  -errno. */
int handover_memory_open (struct handover_memory *memory) WARN_UNUSED;
void handover_memory_close (struct handover_memory *memory);

/* Bytes FROM to TO are there from now on: whoever touches them before may be
 * killed where memory is short.  -ENOMEM, -ENOSPC. */
int handover_memory_back (const struct handover_memory *memory, uint32_t from, uint32_t to) WARN_UNUSED;

/* The gateway asks for the memory NUMBER at SOCKET, a connected unix socket with
 * time limits of its owner's, and gets it with the size of the disk.  -EBADMSG: what
 * came is not such memory; -EAGAIN: nothing came in time; other -errno. */
int handover_memory_take (int socket, uint64_t number, struct handover_memory *memory, uint64_t *disk_size) WARN_UNUSED;

/* The view's side of that: what is asked for at SOCKET, and the answer.  -errno. */
int handover_memory_asked (int socket, uint64_t *number) WARN_UNUSED;
int handover_memory_give (int socket, const struct handover_memory *memory, uint64_t disk_size) WARN_UNUSED;

#endif
