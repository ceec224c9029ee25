/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The rate is that of the last second, as whoever looks wants to know whether it still
 * moves; only the last line has that of all. */
#include <config.h>

#include <inttypes.h>
#include <stdio.h>

#include "deadline.h"
#include "differ-counts.h"

static const char *const states[] = {
#define DIFFER_TEXT(name, text) text,
  DIFFER_STATES (DIFFER_TEXT)
#undef DIFFER_TEXT
};

void
differ_counts_start (struct differ_pace *pace)
{
  *pace = (struct differ_pace) { .began_ms = now_ms () };
  pace->told_ms = pace->began_ms;
}

uint64_t
differ_counts_rate (struct differ_pace *pace,
                    const struct differ_counts *counts, bool last)
{
  uint64_t done = counts->done + counts->verified;
  int64_t now = now_ms (), since = last ? pace->began_ms : pace->told_ms;
  uint64_t fresh = last ? done : done - pace->told;

  pace->told_ms = now;
  pace->told = done;
  return now > since ? (uint64_t) ((double) fresh * 1000 /
                                   (double) (now - since))
         : 0;
}

void
differ_counts_json (const struct differ_counts *counts, uint64_t rate,
                    char *line, size_t size)
{
  snprintf (line, size, "{\"state\":\"%s\",\"total\":%" PRIu64
            ",\"done\":%" PRIu64 ",\"equal\":%" PRIu64 ",\"differing\":%"
            PRIu64 ",\"written\":%" PRIu64 ",\"zeroed\":%" PRIu64
            ",\"verified\":%" PRIu64 ",\"left\":%" PRIu64 ",\"rate\":%" PRIu64
            "}", states[counts->state], counts->total, counts->done,
            counts->equal, counts->differing, counts->written, counts->zeroed,
            counts->verified, counts->left, rate);
}

/* --- for people ------------------------------------------------------------ */

struct human {
  char text[24];
};

static struct human
human (uint64_t bytes)
{
  static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB" };
  double value = (double) bytes / 1024;
  struct human human;
  size_t unit = 0;

  while (value >= 1024 && unit + 1 < sizeof units / sizeof *units) {
    value /= 1024;
    unit++;
  }
  if (bytes < 1024)
    snprintf (human.text, sizeof human.text, "%" PRIu64 " bytes", bytes);
  else
    snprintf (human.text, sizeof human.text, "%.1f %s", value, units[unit]);
  return human;
}

void
differ_counts_text (const struct differ_counts *counts, uint64_t rate,
                    char *line, size_t size)
{
  uint64_t percent = counts->total == 0 ? 100
                     : (uint64_t) (100.0 * (double) counts->done /
                                   (double) counts->total);
  int n = snprintf (line, size, "%s: %s of %s (%" PRIu64 " %%), %s differed, "
                    "%s written, %s zeroed", states[counts->state],
                    human (counts->done).text, human (counts->total).text,
                    percent, human (counts->differing).text,
                    human (counts->written).text, human (counts->zeroed).text);

  if (n >= 0 && (size_t) n < size && counts->verified > 0)
    n += snprintf (line + n, size - (size_t) n, ", %s read again",
                   human (counts->verified).text);
  if (n >= 0 && (size_t) n < size)
    snprintf (line + n, size - (size_t) n, ", %s/s", human (rate).text);
}
