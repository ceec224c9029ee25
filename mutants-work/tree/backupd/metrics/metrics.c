/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The metrics of a domain are made of the same objects that backup-info and the
 * history show, so that they say the same.  A member that is not there makes no
 * sample: what is not known is not 0. */
#include <config.h>

#include <math.h>
#include <string.h>

#include <glib.h>

#include "domain.h"
#include "json-members.h"
#include "metrics-count.h"
#include "metrics-text.h"
#include "metrics.h"

#define MS_PER_S 1000.0
/* Of a histogram. */
#define BUCKETS_MOST 64

/* Which member of an object is which family's sample. */
struct member {
  const char *key;
  enum metrics_family family;
  double divisor;
};

static bool
get_number (json_object *object, const char *key, double *number)
{
  json_object *value = json_object_object_get (object, key);

  if (!json_object_is_type (value, json_type_int) &&
      !json_object_is_type (value, json_type_double))
    return false;
  *number = json_object_get_double (value);
  return true;
}

/* The numbers of OBJECT (may be NULL), of DOMAIN and, if not NULL, its DISK. */
static void
add_numbers (struct metrics_text *text, json_object *object,
             const struct member *members, size_t n, const char *domain,
             const char *disk)
{
  double number;
  size_t i;

  for (i = 0; object != NULL && i < n; i++) {
    if (!get_number (object, members[i].key, &number))
      continue;
    number /= members[i].divisor;
    if (disk == NULL)
      metrics_text_add (text, members[i].family, number, "domain", domain,
                        NULL);
    else
      metrics_text_add (text, members[i].family, number, "domain", domain,
                        "disk", disk, NULL);
  }
}
#define ADD_NUMBERS(text, object, members, domain, disk) \
  add_numbers (text, object, members, G_N_ELEMENTS (members), domain, disk)

/* 1 for WORD, and 0 for those of WORDS that it is not. */
static void
add_word (struct metrics_text *text, enum metrics_family family,
          const char *domain, const char *label, const char *word,
          const char *const *words)
{
  bool seen = false;

  if (word == NULL)
    return;
  for (; *words != NULL; words++) {
    bool is = strcmp (*words, word) == 0;

    metrics_text_add (text, family, is, "domain", domain, label, *words, NULL);
    seen = seen || is;
  }
  if (!seen)
    metrics_text_add (text, family, 1, "domain", domain, label, word, NULL);
}

/* --- a backup that runs ---------------------------------------------- */

static void
add_disks (struct metrics_text *text, json_object *disks, const char *domain)
{
  static const struct member members[] = {
    { "size", METRICS_DISK_SIZE, 1 },
    { "dirty-bytes", METRICS_DISK_DIRTY, 1 },
    { "served", METRICS_DISK_SERVED, 1 },
    { "left", METRICS_DISK_LEFT, 1 },
    { "fleece-bytes", METRICS_DISK_SCRATCH, 1 }
  };
  size_t i;

  for (i = 0; i < json_length (disks); i++) {
    json_object *disk = json_object_array_get_idx (disks, i);
    const char *name = json_get_string (disk, "name");

    ADD_NUMBERS (text, disk, members, domain, name == NULL ? "" : name);
    metrics_text_add (text, METRICS_DISK_INCREMENTAL,
                      json_has_string (disk, "mode", "incremental"), "domain",
                      domain, "disk", name, NULL);
  }
}

static void
add_restarts (struct metrics_text *text, json_object *backup,
              const char *domain)
{
  json_object *restarts = json_get_object (backup, "restarts");

  if (restarts == NULL)
    return;
  json_object_object_foreach (restarts, role, n)
    metrics_text_add (text, METRICS_RESTARTS, json_object_get_double (n),
                      "domain", domain, "role", role, NULL);
}

static void
add_pace (struct metrics_text *text, json_object *pace, const char *domain)
{
  static const char *const modes[] = { "guest-first", "off", NULL };
  static const char *const guests[] = { "idle", "active", "unknown", NULL };
  static const struct member members[] = {
    { "rate", METRICS_RATE, 1 },
    { "limit", METRICS_LIMIT, 1 },
    { "max-rate", METRICS_MAX_RATE, 1 }
  };

  ADD_NUMBERS (text, pace, members, domain, NULL);
  add_word (text, METRICS_PACE, domain, "mode",
            json_get_string (pace, "mode"), modes);
  add_word (text, METRICS_GUEST, domain, "state",
            json_get_string (pace, "guest"), guests);
}

/* [{"le-ms": x, "count": n}, ...], n of each bucket alone; a bound of null has no
 * end. */
static void
add_waits (struct metrics_text *text, json_object *waits, const char *domain)
{
  json_object *buckets = json_get_array (waits, "histogram");
  double bounds[BUCKETS_MOST + 1], sum = NAN;
  uint64_t counts[BUCKETS_MOST + 1];
  size_t i, n = MIN (json_length (buckets), BUCKETS_MOST);

  if (n == 0)
    return;
  for (i = 0; i < n; i++) {
    json_object *bucket = json_object_array_get_idx (buckets, i);

    counts[i] = json_get_u64 (bucket, "count");
    bounds[i] = get_number (bucket, "le-ms", &bounds[i])
                ? bounds[i] / MS_PER_S : INFINITY;
  }
  if (isfinite (bounds[n - 1])) {
    bounds[n] = INFINITY;
    counts[n++] = 0;
  }
  if (get_number (waits, "sum", &sum))
    sum /= MS_PER_S;
  metrics_text_add_histogram (text, METRICS_WAIT, n, bounds, counts, sum,
                              "domain", domain, NULL);
}

static void
add_scratch (struct metrics_text *text, json_object *scratch,
             const char *domain)
{
  static const struct member members[] = {
    { "used", METRICS_SCRATCH, 1 },
    { "limit", METRICS_SCRATCH_LIMIT, 1 },
    { "writes", METRICS_SCRATCH_WRITES, 1 }
  };
  static const struct member longest[] = {
    { "max", METRICS_WAIT_MAX, MS_PER_S }
  };
  json_object *waits = json_get_object (scratch, "wait-ms");

  ADD_NUMBERS (text, scratch, members, domain, NULL);
  ADD_NUMBERS (text, waits, longest, domain, NULL);
  add_waits (text, waits, domain);
}

static void
add_backup (struct metrics_text *text, json_object *backup,
            const char *domain)
{
  static const char *const states[] = { "beginning", "ready", "broken",
                                        "ending", NULL };
  static const struct member members[] = {
    { "started", METRICS_STARTED, 1 },
    { "frozen-ms", METRICS_HELD, MS_PER_S },
    { "quiesced-ms", METRICS_QUIESCED, MS_PER_S },
    { "adopted", METRICS_ADOPTED, 1 }
  };

  add_word (text, METRICS_STATE, domain, "state",
            json_get_string (backup, "state"), states);
  ADD_NUMBERS (text, backup, members, domain, NULL);
  add_restarts (text, backup, domain);
  add_pace (text, json_get_object (backup, "pace"), domain);
  add_scratch (text, json_get_object (backup, "scratch"), domain);
  add_disks (text, json_get_array (backup, "disks"), domain);
}

/* --- a domain -------------------------------------------------------- */

static void
add_last (struct metrics_text *text, json_object *last, const char *domain)
{
  static const struct member members[] = {
    { "started", METRICS_LAST_START, 1 },
    { "ended", METRICS_LAST_END, 1 },
    { "duration-ms", METRICS_LAST_DURATION, MS_PER_S },
    { "frozen-ms", METRICS_LAST_FROZEN, MS_PER_S },
    { "dirty-bytes", METRICS_LAST_DIRTY, 1 },
    { "served-bytes", METRICS_LAST_SERVED, 1 }
  };

  if (last == NULL)
    return;
  ADD_NUMBERS (text, last, members, domain, NULL);
  metrics_text_add (text, METRICS_LAST_INFO, 1, "domain", domain,
                    "result", json_get_string (last, "result"),
                    "cause", json_get_string (last, "cause"),
                    "mode", json_get_string (last, "mode"),
                    "reason", json_get_string (last, "reason"), NULL);
}

/* Of the backup that runs, or else of the last one. */
static void
add_fulls (struct metrics_text *text, json_object *backup, const char *domain)
{
  static const struct member members[] = {
    { "consecutive-fulls", METRICS_FULLS, 1 }
  };
  json_object *disks = json_get_array (backup, "disks");
  size_t i;

  for (i = 0; i < json_length (disks); i++) {
    json_object *disk = json_object_array_get_idx (disks, i);
    const char *name = json_get_string (disk, "name");

    ADD_NUMBERS (text, disk, members, domain, name == NULL ? "" : name);
  }
}

static void
add_domain (struct metrics_text *text, json_object *facts)
{
  static const struct member members[] = {
    { "checkpoints", METRICS_CHECKPOINTS, 1 },
    { "committed", METRICS_COMMITTED, 1 }
  };
  const char *domain = json_get_string (facts, "name");
  json_object *last = json_get_object (facts, "last");
  json_object *backup = json_get_object (facts, "backup");

  metrics_text_add (text, METRICS_REGISTERED, 1, "domain", domain, NULL);
  metrics_text_add (text, METRICS_CONNECTED,
                    json_get_bool (facts, "connected"), "domain", domain,
                    NULL);
  metrics_text_add (text, METRICS_FROZEN, json_get_bool (facts, "frozen"),
                    "domain", domain, NULL);
  ADD_NUMBERS (text, facts, members, domain, NULL);
  add_last (text, last, domain);
  add_fulls (text, json_length (json_get_array (backup, "disks")) > 0
                   ? backup : last, domain);
  if (backup != NULL)
    add_backup (text, backup, domain);
}

static void
add_facts (struct domain *domain, void *list)
{
  json_object_array_add (list, domain_facts (domain));
}

char *
metrics_format (struct domain_registry *registry)
{
  CLEANUP_JSON json_object *domains = json_object_new_array ();
  struct metrics_text *text = metrics_text_create ();
  size_t i, n, running = 0;

  domain_registry_each (registry, add_facts, domains);
  n = json_length (domains);
  metrics_count_show (text);
  metrics_text_add (text, METRICS_DOMAINS, (double) n, NULL);
  for (i = 0; i < n; i++) {
    json_object *facts = json_object_array_get_idx (domains, i);

    running += json_get_object (facts, "backup") != NULL;
    add_domain (text, facts);
  }
  metrics_text_add (text, METRICS_RUNNING, (double) running, NULL);
  return metrics_text_finish (text);
}
