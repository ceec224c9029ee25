/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The wait before a read of the view, so that the guest comes first.  Pacing
 * never changes what is read (rule P1).  Threads: any, but for open and close. */
#ifndef PULLBACK_VIEW_PACE_H
#define PULLBACK_VIEW_PACE_H

#include <stdint.h>

#include "pace-atomic.h"
#include "pace-file.h"
#include "plugin-config.h"

struct source;

/* The device of one disk, and who waits for it here. */
struct view_pace {
  struct pace *pace;            /* NULL: not paced */
  struct source *base;
  pace_word came, left;         /* how many waited, and do no more */
  pace_word ahead;              /* what BASE was told; see view-pace.c */
};

/* Its PACE is to be closed with pace_close.  BASE, borrowed, is told not to read ahead
 * while the guest works, and that it may when it does not. */
void view_pace_open_device (const struct disk_config *disk, struct source *base,
                            struct view_pace *device);

/* What all disks share. */
void view_pace_open_limits (const struct plugin_config *config);
void view_pace_close_limits (void);

/* How many of COUNT bytes are to be read at once: all, where nothing is limited. */
uint32_t view_pace_piece (const struct view_pace *device, uint32_t count);

/* Waits until COUNT bytes may go to the client, COST of which come from DEVICE,
 * and counts them.  Holds nothing meanwhile.  -ESHUTDOWN: nbdkit ends, or the client has
 * gone. */
int view_pace_wait (struct view_pace *device, uint32_t count, uint64_t cost) WARN_UNUSED;

#endif
