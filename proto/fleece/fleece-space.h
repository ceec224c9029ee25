/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Room in the data of a fleece store (slot-table.h), ahead of what is stored: then most
 * writes find their blocks there, which lie together, and to remove the file takes few
 * discards.  It goes with the file.
 *
 * How much is taken ahead grows with what is stored, from AHEAD_MIN to AHEAD_MAX, so that a
 * disk that hardly changes takes hardly any, and shrinks with what is free, and with what the limits
 * leave: none is taken where that is short.  It counts in no figure.
 *
 * Threads: any. */
#ifndef PULLBACK_FLEECE_SPACE_H
#define PULLBACK_FLEECE_SPACE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "cleanup.h"
#include "scratch-figures.h"
#include "slot-table.h"

#define FLEECE_AHEAD_MIN (256ull << 10)
#define FLEECE_AHEAD_MAX (16ull << 20)

struct fleece_space {
  int fd;                       /* borrowed: the data */
  bool is_needed;               /* rule S5 */
  bool is_useful;               /* to take some ahead */
  pthread_mutex_t lock;         /* protects end, and is held while blocks are taken;
                                 * slots are taken under it, so that they are in order */
  uint64_t end;                 /* up to here all slots taken have their blocks */
};

void fleece_space_init (struct fleece_space *space, int fd);
void fleece_space_destroy (struct fleece_space *space);

/* Takes slots, of TABLE, for LENGTH bytes, with their blocks where rule S5 wants them:
 * *PLACE is where they begin.  FIGURES may be NULL. */
int fleece_space_take (struct fleece_space *space, struct slot_table *table, const struct scratch_figures *figures, uint32_t granule, uint64_t length, uint64_t *place) WARN_UNUSED;

#endif
