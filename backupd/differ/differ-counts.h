/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How far it is, for people and for programs.  Pure but for its clock; threads: one. */
#ifndef PULLBACK_DIFFER_COUNTS_H
#define PULLBACK_DIFFER_COUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIFFER_STATES(X) \
  X (COMPARING, "comparing") \
  X (FLUSHING, "flushing") \
  X (VERIFYING, "verifying") \
  X (EQUAL, "equal") \
  X (STOPPED, "stopped") \
  X (FAILED, "failed")

enum differ_state {
#define DIFFER_ENUM(name, text) DIFFER_##name,
  DIFFER_STATES (DIFFER_ENUM)
#undef DIFFER_ENUM
};

/* Bytes.  DONE is EQUAL and DIFFERING together, and TOTAL in the end. */
struct differ_counts {
  enum differ_state state;
  uint64_t total, done;
  uint64_t equal, differing;
  uint64_t written, zeroed;     /* by requests: a little more than DIFFERING where runs were joined */
  uint64_t verified;            /* read again */
  uint64_t left;                /* of the target, behind the source's end */
};

/* When what was counted. */
struct differ_pace {
  int64_t began_ms, told_ms;
  uint64_t told;                /* compared and verified by then */
};

void differ_counts_start (struct differ_pace *pace);

/* Bytes compared or verified in a second, of the time since the last call (LAST: since the start). */
uint64_t differ_counts_rate (struct differ_pace *pace, const struct differ_counts *counts, bool last);

/* A line, without its end, into LINE of SIZE bytes, which 400 are enough for. */
void differ_counts_json (const struct differ_counts *counts, uint64_t rate, char *line, size_t size);
void differ_counts_text (const struct differ_counts *counts, uint64_t rate, char *line, size_t size);

#endif
