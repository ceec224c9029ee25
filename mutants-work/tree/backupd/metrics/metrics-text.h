/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prometheus' text format, version 0.0.4: samples are added in any order, and printed
 * family by family.  Threads: one per text. */
#ifndef PULLBACK_METRICS_TEXT_H
#define PULLBACK_METRICS_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* What HTTP calls it. */
#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum metrics_family {
#define FAMILY(id, ...) METRICS_##id,
#include "metrics-families.tbl.h"
  METRICS_FAMILIES
};

struct metrics_text;

struct metrics_text *metrics_text_create (void);

/* A sample of FAMILY.  What follows are labels, each a name and its value (NULL: ""), then a
 * NULL.  A value may hold any bytes. */
void metrics_text_add (struct metrics_text *text, enum metrics_family family, double value, ...)
  __attribute__ ((sentinel));

/* A histogram: of N buckets the upper BOUNDS, ascending and in seconds, the last of them infinite, and
 * how many COUNTS are in each alone.  SUM: of all values; NaN: not known.  Labels as above. */
void metrics_text_add_histogram (struct metrics_text *text, enum metrics_family family,
                                 size_t n, const double *bounds, const uint64_t *counts,
                                 double sum, ...) __attribute__ ((sentinel));

/* Destroys TEXT.  g_free. */
char *metrics_text_finish (struct metrics_text *text);

#endif
