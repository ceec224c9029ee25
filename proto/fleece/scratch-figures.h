/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the sink of a backup counts, in a file that the daemon maps, too: how
 * many guest writes came, how long they waited, how much was stored.
 *
 *   MAPS/scratch-figures    4096 bytes, little-endian:
 *      0  magic "PULLBKSF"
 *      8  u32 version (1)
 *     12  u32 feature bits (0; an unknown bit refuses to open)
 *     16  u64 how many bytes may be stored; 0: no limit
 *     24  u64 one more than the account in MAPS/../.scratch-ledger (scratch-ledger.h)
 *         that it counts, too; 0: none
 *     32  u64 bytes that were free on the store's file system at the begin
 *     40  u64 which limit a write would have exceeded (enum scratch_limit)
 *     48  u64 1: the stores are broken, and no sink writes to them any more (rule B6)
 *     64  u64 guest writes, and zero writes, that were answered
 *     72  u64 bytes of the store that old data was, or is being, written to
 *     80  u64 the longest wait in ns
 *     88  u64 [22] waits by their length: word i counts those of at most
 *         16 us * 2^i that are longer than those of word i-1; the last one all
 *         that are longer
 *
 * From 64 on, a word is only ever added to (the longest wait: raised), by the threads of
 * the one sink that runs; it goes on where a sink was killed.  What is stored is
 * counted before, so that then some of it may count twice.  The view takes off what it
 * has given back (fleece-consume.h).  Who reads sees each
 * word whole, but not all of one moment.  Pairs: scratch_figures_note adds,
 * scratch_figures_look loads; nothing else depends on the order.
 *
 * Like the maps it belongs in memory. */
#ifndef PULLBACK_SCRATCH_FIGURES_H
#define PULLBACK_SCRATCH_FIGURES_H

#include <stdbool.h>
#include <stdint.h>

#include "cleanup.h"

#define SCRATCH_FIGURES_WAITS 22

enum scratch_limit { SCRATCH_LIMIT_NONE, SCRATCH_LIMIT_BACKUP, SCRATCH_LIMIT_HOST };

struct scratch_figures;

/* Set when the file is created. */
struct scratch_terms {
  uint64_t limit;               /* bytes; 0: none */
  int account;                  /* -1: none */
  uint64_t room;                /* bytes; 0: not known */
};

struct scratch_seen {
  struct scratch_terms terms;
  enum scratch_limit exceeded;  /* the limit that broke the backup */
  bool rests;                   /* see scratch_figures_rest; acquire */
  uint64_t host_used, host_limit;       /* 0: no account */
  uint64_t writes, used;
  uint64_t longest_ns;
  uint64_t waits[SCRATCH_FIGURES_WAITS];
};

/* Creates the file in the folder MAPS, all zero, in place of one that is there. */
int scratch_figures_create (const char *maps, const struct scratch_terms *terms) WARN_UNUSED;

/* -ENOENT: the backup has none, as an older daemon began it. */
int scratch_figures_open (const char *maps, struct scratch_figures **figures) WARN_UNUSED;
void scratch_figures_close (struct scratch_figures *figures);

/* None is no error. */
int scratch_figures_remove (const char *maps) WARN_UNUSED;

/* A guest write was answered after NS.  FIGURES may be NULL.  Never waits. */
void scratch_figures_note (struct scratch_figures *figures, uint64_t ns);

/* BYTES of the store are about to be written to.  -EDQUOT: a limit would be exceeded;
 * then nothing is taken.  FIGURES may be NULL.  Never waits. */
int scratch_figures_take (struct scratch_figures *figures, uint64_t bytes) WARN_UNUSED;

/* They were not, or take no room any more.  Never below 0. */
void scratch_figures_give (struct scratch_figures *figures, uint64_t bytes);

/* Says for good that nothing is taken, or stored, any more.  Release. */
void scratch_figures_rest (struct scratch_figures *figures);

/* BYTES were stored before the file was made: they count, whatever the limits. */
void scratch_figures_resume (struct scratch_figures *figures, uint64_t bytes);

void scratch_figures_look (const struct scratch_figures *figures, struct scratch_seen *seen);

/* The longest wait that word I counts, in ns; UINT64_MAX: the last one. */
uint64_t scratch_figures_bound (unsigned i);

/* A length that 99 % of the waits did not exceed, from their words: at most twice
 * too long.  0: there were none. */
uint64_t scratch_figures_p99 (const struct scratch_seen *seen);

#endif
