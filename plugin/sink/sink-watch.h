/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Watches that no write to a fleece store takes longer than the limit (rule B2), and
 * when there are no more (B6).
 *
 * The thread that hangs in the kernel cannot be got back, and nbdkit replies
 * only when it returns.  So QEMU's connections are cut: QEMU connects again, to
 * the same process, and sends its requests again, which the store's owner, who
 * has given up the store by then, answers at once.
 *
 * A thread of its own, so that writing costs no more than a look at the clock. */
#ifndef PULLBACK_SINK_WATCH_H
#define PULLBACK_SINK_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "cleanup.h"

struct sink_watch_ops {
  /* When (now_ms) the oldest write that still is under way was asked for;
   * INT64_MAX if there is none. */
  int64_t (*busy_since) (void);

  /* Called once.  From its return on, no write that is asked for waits. */
  void (*give_up) (void);

  /* Tells who waits for it when nothing is written any more.  Called again within so
   * many ms as it returns; -1: it need not be.  Never waits. */
  int (*rest) (void);

  /* Writes to the log what there is to say.  May hang, with the thread. */
  void (*tell) (void);
};

/* LIMIT_MS 0: none, before sink_watch_backup_ends; ENDING_MS after it.  Once a write was
 * given up, the end of nbdkit is not waited for: the process exits at once when nbdkit
 * is told to. */
int sink_watch_start (const struct sink_watch_ops *ops, int limit_ms, int ending_ms) WARN_UNUSED;

/* QEMU is about to let go of the sink, and waits for what is being written then.  May be
 * called by a signal's handler. */
void sink_watch_backup_ends (void);

/* The limit that holds now, 0 for none. */
int sink_watch_limit (void);

/* Has tell called by the watching thread, soon: whoever serves the guest must
 * not wait for a log. */
void sink_watch_tell (void);

/* Harmless if it was not started. */
void sink_watch_stop (void);

#endif
