/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How long a process may still take that was told to end.  Who waits for somebody
 * else cuts his deadline short by it, so that one who hangs holds up nothing:
 *
 *   STOP_CLOCK_WORK_MS   what is being done gives up
 *   STOP_CLOCK_END_MS    what is being ended gives up
 *   STOP_CLOCK_LEAVE_S   the process exits, whatever its threads do (main's alarm)
 *
 * Never started: no deadline changes.  Threads: any. */
#ifndef PULLBACK_STOP_CLOCK_H
#define PULLBACK_STOP_CLOCK_H

#include <poll.h>
#include <stdint.h>

#define STOP_CLOCK_WORK_MS 7000
#define STOP_CLOCK_END_MS 14000
#define STOP_CLOCK_LEAVE_S 18

/* Who waits looks at the clock this often. */
#define STOP_CLOCK_SLICE_MS 200

void stop_clock_start (void);

/* The calling thread does nothing any more but end things. */
void stop_clock_end_phase (void);

/* DEADLINE_MS, or when the calling thread has to give up if that is earlier. */
int64_t stop_clock_cap (int64_t deadline_ms);

/* poll (2) until DEADLINE_MS, or less.  The number of descriptors, -ETIMEDOUT, -errno. */
int stop_clock_poll (struct pollfd *polled, nfds_t n, int64_t deadline_ms);

#endif
