/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For checks only: a base, a fleece store and the sinks that change them, all
 * of it in memory and in one thread, so that every order of events can be run.
 *
 * Before each step of the view the script decides which sinks go how many
 * steps.  Each run is one path through the tree of decisions; scripted_next
 * goes to the next path until there is none. */
#ifndef PULLBACK_TEST_SCRIPTED_SOURCE_H
#define PULLBACK_TEST_SCRIPTED_SOURCE_H

#include "source.h"

#define SCRIPTED_GRANULES 4
#define SCRIPTED_GRANULE 2      /* bytes, so that a read can be torn in two */
#define SCRIPTED_BYTES (SCRIPTED_GRANULES * SCRIPTED_GRANULE)
#define SCRIPTED_STEPS 16
#define SCRIPTED_DECISIONS 128

enum scripted_act {
  SCRIPTED_STORE,               /* old data into the fleece store */
  SCRIPTED_MARK,                /* present bit */
  SCRIPTED_CONSUME,             /* it was given back ... */
  SCRIPTED_PUNCH,               /* ... and taken out of the fleece store */
  SCRIPTED_BREAK,               /* the store is full: broken */
  SCRIPTED_GUEST_WRITE,         /* the sink has replied */
  SCRIPTED_GUEST_DISCARD
};

struct scripted_step {
  enum scripted_act act;
  unsigned granule;
};

/* Does its steps in order; sinks run side by side. */
struct scripted_sink {
  struct scripted_step steps[SCRIPTED_STEPS];
  unsigned count, next;
};

struct scripted_read {
  bool of_fleece;
  char *buffer;
  uint64_t length, offset;
};

struct scripted_source {
  struct source source;         /* the base */

  /* Set by the test, the same for all runs. */
  uint64_t size;
  char frozen[SCRIPTED_BYTES];
  bool frozen_hole[SCRIPTED_GRANULES];
  bool present_at_start[SCRIPTED_GRANULES];
  struct scripted_sink sinks[2];
  unsigned sink_count;
  bool torn;                    /* reads go byte by byte */

  /* The world of this run. */
  char base[SCRIPTED_BYTES], fleece[SCRIPTED_BYTES];
  bool base_hole[SCRIPTED_GRANULES], fleece_hole[SCRIPTED_GRANULES];
  bool present[SCRIPTED_GRANULES], consumed[SCRIPTED_GRANULES];
  int broken;
  struct scripted_read reads[32];
  unsigned read_count;

  /* The path. */
  unsigned char decision[SCRIPTED_DECISIONS], options[SCRIPTED_DECISIONS];
  unsigned decisions, position;
};

/* Makes the world as it is at the freeze; call before each run. */
void scripted_start (struct scripted_source *scripted);

/* Turns to the next path.  False: all have been run. */
bool scripted_next (struct scripted_source *scripted);

/* The view's steps; CONTEXT is the scripted source. */
uint64_t scripted_look (void *context, uint64_t offset, uint64_t limit, bool *present);
uint64_t scripted_consumed (void *context, uint64_t offset, uint64_t limit, bool *consumed);
int scripted_read_base (void *context, void *buffer, uint64_t length, uint64_t offset);
int scripted_read_fleece (void *context, void *buffer, uint64_t length, uint64_t offset);
int scripted_finish (void *context);
int scripted_broken (void *context);
int scripted_base_extents (void *context, uint64_t offset, uint64_t length,
                           struct source_extent *extents, size_t *count);
int scripted_fleece_extents (void *context, uint64_t offset, uint64_t length,
                             struct source_extent *extents, size_t *count);

#endif
