/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Backups.  A disk has a row for itself, and one for each range of changes that
 * can be read as an export of its own. */
#include <config.h>

#include <stdio.h>
#include <string.h>

#include <glib.h>

#include "cli-view.h"
#include "json-members.h"

static const struct cli_item disk_columns[] = {
  { "Disk", "name", NULL },
  { "Mode", "mode", NULL },
  { "Size", "size", cli_view_size },
  { "Dirty", "dirty-bytes", cli_view_size },
  { "Reason", "reason", NULL },
  { "URI", "uri", NULL },
  { .title = NULL }
};

/* A row for the changes of DISK that SINCE tells of. */
static void
add_changes (struct cli_table *table, json_object *disk, const char *name,
             const char *mode, json_object *since, const char *reason)
{
  g_autofree char *size = cli_view_size (disk, "size");
  g_autofree char *dirty = cli_view_size (since, "dirty-bytes");

  cli_table_add (table, name);
  cli_table_add (table, mode);
  cli_table_add (table, size);
  cli_table_add (table, dirty);
  cli_table_add (table, reason);
  cli_table_add (table, json_get_string (since, "uri-dirty"));
}

static void
add_disk (struct cli_table *table, json_object *disk)
{
  const char *name = json_get_string (disk, "name");
  json_object *bases = json_get_array (disk, "bases");
  g_autofree char *dirty =
    g_strdup_printf ("%s@dirty", name == NULL ? "" : name);
  size_t i;

  cli_view_row (table, disk_columns, disk);
  for (i = 0; i < json_length (bases); i++) {
    json_object *base = json_object_array_get_idx (bases, i);

    add_changes (table, disk, name, json_get_string (base, "checkpoint"), base,
                 json_get_string (base, "reason"));
  }
  if (json_get_string (disk, "uri-dirty") != NULL)
    add_changes (table, disk, dirty, "changes", disk, NULL);
}

static void
print_disks (json_object *info)
{
  json_object *disks = json_get_array (info, "disks");
  struct cli_table *table;
  size_t i;

  if (json_length (disks) == 0)
    return;
  table = cli_view_table (disk_columns);
  for (i = 0; i < json_length (disks); i++)
    add_disk (table, json_object_array_get_idx (disks, i));
  cli_table_print (table);
}

static void
print_notes (json_object *info)
{
  json_object *notes = json_get_array (info, "notes");
  size_t i;

  for (i = 0; i < json_length (notes); i++) {
    const char *text =
      json_object_get_string (json_object_array_get_idx (notes, i));

    cli_view_say ("%s", text == NULL ? "?" : text);
  }
}

static char *
format_percent (json_object *object, const char *key)
{
  uint64_t served = json_get_u64 (object, "served");
  uint64_t all = served + json_get_u64 (object, key);

  if (json_object_object_get (object, key) == NULL)
    return NULL;
  return g_strdup_printf ("%.1f %%", all == 0 ? 100.0
                          : 100.0 * (double) served / (double) all);
}

static const struct cli_item progress_columns[] = {
  { "Disk", "name", NULL },
  { "Mode", "mode", NULL },
  { "Sent", "served", cli_view_size },
  { "Confirmed", "confirmed", cli_view_size },
  { "Left", "left", cli_view_size },
  { "", "left", format_percent },
  { .title = NULL }
};

static void
print_backup (json_object *arguments, json_object *info)
{
  if (json_get_bool (arguments, "progress")) {
    cli_view_rows (json_get_array (info, "disks"), progress_columns);
    return;
  }
  print_disks (info);
  cli_view_skipped (info);
  print_notes (info);
}

/* Only where the guest was to be frozen is there something to say. */
static char *
format_consistency (json_object *info, const char *key)
{
  return json_object_object_get (info, "quiesced-ms") == NULL ? NULL
         : g_strdup (json_get_string (info, key));
}

static void
print_end (json_object *arguments, json_object *reply)
{
  const char *checkpoint = json_get_string (reply, "checkpoint");
  const char *state = json_get_string (reply, "state");

  printf ("Backup of %s %s", json_get_string (arguments, "domain"),
          state == NULL ? "ended" : state);
  if (checkpoint != NULL)
    printf (", checkpoint %s %s", checkpoint,
            g_strcmp0 (state, "committed") == 0 ? "kept" : "dropped");
  printf ("\n");
  print_notes (reply);
}

/* Of what a broken one took; NULL: none of it. */
static char *
format_freed (json_object *scratch)
{
  g_autofree char *freed =
    json_get_u64 (scratch, "freed") == 0 ? NULL
    : cli_view_size (scratch, "freed");

  return freed == NULL ? NULL : g_strdup_printf (", %s given back", freed);
}

static char *
format_scratch (json_object *info, const char *key)
{
  json_object *scratch = json_object_object_get (info, key);
  g_autofree char *used =
    scratch == NULL ? NULL : cli_view_size (scratch, "used");
  g_autofree char *writes =
    scratch == NULL ? NULL : cli_view_number (scratch, "writes");

  g_autofree char *limit =
    scratch == NULL ? NULL : cli_view_size (scratch, "limit");
  g_autofree char *freed = scratch == NULL ? NULL : format_freed (scratch);

  return used == NULL || writes == NULL ? NULL
         : g_strdup_printf ("%s%s%s%s, of %s guest writes", used,
                            limit == NULL ? "" : " of at most ",
                            limit == NULL ? "" : limit,
                            freed == NULL ? "" : freed, writes);
}

static char *
format_waits (json_object *info, const char *key)
{
  json_object *scratch = json_object_object_get (info, key);
  json_object *waits =
    scratch == NULL ? NULL : json_object_object_get (scratch, "wait-ms");
  g_autofree char *longest = waits == NULL ? NULL : cli_view_ms (waits, "max");
  g_autofree char *p99 = waits == NULL ? NULL : cli_view_ms (waits, "p99");

  return longest == NULL || p99 == NULL ? NULL
         : g_strdup_printf ("at most %s, 99 %% at most %s", longest, p99);
}

/* SIZE of the object KEY of INFO, per second; NULL: there is none. */
static char *
format_rate (json_object *info, const char *key, const char *size)
{
  json_object *o = json_object_object_get (info, key);
  g_autofree char *text = o == NULL ? NULL : cli_view_size (o, size);

  return text == NULL ? NULL : g_strdup_printf ("%s/s", text);
}

static char *
format_pace (json_object *info, const char *key)
{
  g_autofree char *rate = format_rate (info, key, "rate");
  g_autofree char *limit = format_rate (info, key, "limit");

  return limit == NULL ? g_steal_pointer (&rate)
         : g_strdup_printf ("%s, at most %s", rate, limit);
}

static char *
format_pace_reason (json_object *info, const char *key)
{
  json_object *o = json_object_object_get (info, key);

  return o == NULL ? NULL : g_strdup (json_get_string (o, "reason"));
}

#define BACKUP \
  .lines = CLI_ITEMS ({ "Domain:", "domain", NULL }, \
                      { "State:", "state", NULL }, \
                      { "Reason:", "reason", NULL }, \
                      { "Checkpoint:", "checkpoint", NULL }, \
                      { "Incremental:", "incremental", NULL }, \
                      { "Consumer:", "consumer", NULL }, \
                      { "Guest held:", "frozen-ms", cli_view_ms }, \
                      { "Consistency:", "consistency", format_consistency }, \
                      { "", "consistency-reason", format_consistency }, \
                      { "Quiesced for:", "quiesced-ms", cli_view_ms }, \
                      { "Rate:", "pace", format_pace }, \
                      { "", "pace", format_pace_reason }, \
                      { "Scratch:", "scratch", format_scratch }, \
                      { "Writes waited:", "scratch", format_waits }, \
                      { "Time left:", "ttl-left", cli_view_seconds }, \
                      { "Idle time left:", "idle-left", cli_view_seconds }), \
  .print = print_backup

const struct cli_view cli_view_run = { BACKUP };

const struct cli_view cli_view_backup_begin = { BACKUP };

const struct cli_view cli_view_backup_info = { BACKUP };

const struct cli_view cli_view_backup_keepalive = {
  .lines = CLI_ITEMS ({ "Domain:", "domain", NULL },
                      { "Time left:", "ttl-left", cli_view_seconds },
                      { "Idle time left:", "idle-left", cli_view_seconds })
};

const struct cli_view cli_view_backup_commit = { .print = print_end };

const struct cli_view cli_view_backup_abort = { .print = print_end };

const struct cli_view cli_view_backup_dumpxml = {
  .print = cli_view_print_xml
};

/* --- lists ---------------------------------------------------------- */

static const struct cli_item running[] = {
  { "Domain", "domain", NULL },
  { "State", "state", NULL },
  { "Checkpoint", "checkpoint", NULL },
  { "Consumer", "consumer", NULL },
  { "Since", "started", cli_view_time },
  { .title = NULL }
};

static char *
format_duration (json_object *record, const char *key)
{
  uint64_t s = json_get_u64 (record, key) / 1000;

  return g_strdup_printf ("%u:%02u:%02u", (unsigned) (s / 3600),
                          (unsigned) (s / 60 % 60), (unsigned) (s % 60));
}

static const struct cli_item ended[] = {
  { "Ended", "ended", cli_view_time },
  { "Took", "duration-ms", format_duration },
  { "Mode", "mode", NULL },
  { "Reason", "reason", NULL },
  { "Checkpoint", "checkpoint", NULL },
  { "Dirty", "dirty-bytes", cli_view_size },
  { "Served", "served-bytes", cli_view_size },
  { "Guest held", "frozen-ms", cli_view_ms },
  { "Outcome", "outcome", NULL },
  { .title = NULL }
};

static void
print_list (json_object *arguments, json_object *reply)
{
  json_object *history = json_get_array (reply, "history");

  if (history != NULL)
    cli_view_rows (history, ended);
  else
    cli_view_rows (json_get_array (reply, "backups"), running);
}

const struct cli_view cli_view_backup_list = { .print = print_list };
