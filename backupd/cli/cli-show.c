/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <glib.h>

#include "cli-checkpoints.h"
#include "cli-show.h"
#include "cli-table.h"
#include "control-commands.h"

/* --- members of replies --------------------------------------------- */

static const char *
text_of (json_object *object, const char *key)
{
  return control_get_string (object, key);
}

static json_object *
list_of (json_object *object, const char *key)
{
  json_object *list = NULL;

  json_object_object_get_ex (object, key, &list);
  return json_object_is_type (list, json_type_array) ? list : NULL;
}

static size_t
list_length (json_object *list)
{
  return list == NULL ? 0 : json_object_array_length (list);
}

static void
add_size (struct cli_table *table, json_object *object, const char *key)
{
  json_object *value;
  g_autofree char *text = NULL;

  if (json_object_object_get_ex (object, key, &value))
    text = cli_size (json_object_get_uint64 (value));
  cli_table_add (table, text);
}

static void
add_time (struct cli_table *table, json_object *object, const char *key)
{
  json_object *value;
  char text[64] = "";
  struct tm tm;
  time_t when;

  if (json_object_object_get_ex (object, key, &value)) {
    when = (time_t) json_object_get_int64 (value);
    if (localtime_r (&when, &tm) == NULL ||
        strftime (text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm) == 0)
      text[0] = '\0';
  }
  cli_table_add (table, text);
}

/* "vda, vdb": the members KEY of the objects in LIST. */
static char *
join_members (json_object *list, const char *key)
{
  GString *joined = g_string_new (NULL);
  size_t i;

  for (i = 0; i < list_length (list); i++) {
    const char *text = text_of (json_object_array_get_idx (list, i), key);

    g_string_append_printf (joined, "%s%s", i > 0 ? ", " : "",
                            text == NULL ? "?" : text);
  }
  return g_string_free (joined, FALSE);
}

static void
print_member (const char *title, const char *text)
{
  g_autofree char *clean = text == NULL ? NULL : cli_clean (text);

  if (clean != NULL && clean[0] != '\0')
    printf ("%-15s %s\n", title, clean);
}

/* --- backups -------------------------------------------------------- */

/* A row for each further checkpoint. */
static void
add_bases (struct cli_table *table, json_object *disk)
{
  json_object *bases = list_of (disk, "bases");
  size_t i;

  for (i = 0; i < list_length (bases); i++) {
    json_object *base = json_object_array_get_idx (bases, i);

    cli_table_add (table, text_of (disk, "name"));
    cli_table_add (table, text_of (base, "checkpoint"));
    add_size (table, disk, "size");
    add_size (table, base, "dirty-bytes");
    cli_table_add (table, text_of (base, "reason"));
    cli_table_add (table, text_of (base, "uri-dirty"));
  }
}

static void
print_disks (json_object *info)
{
  static const char *const titles[] = { "Disk", "Mode", "Size", "Dirty",
                                        "Reason", "URI", NULL };
  json_object *disks = list_of (info, "disks");
  struct cli_table *table;
  size_t i;

  if (list_length (disks) == 0)
    return;
  table = cli_table_create (titles);
  for (i = 0; i < list_length (disks); i++) {
    json_object *disk = json_object_array_get_idx (disks, i);
    const char *name = text_of (disk, "name");
    g_autofree char *dirty =
      g_strdup_printf ("%s@dirty", name == NULL ? "" : name);

    cli_table_add (table, name);
    cli_table_add (table, text_of (disk, "mode"));
    add_size (table, disk, "size");
    add_size (table, disk, "dirty-bytes");
    cli_table_add (table, text_of (disk, "reason"));
    cli_table_add (table, text_of (disk, "uri"));
    add_bases (table, disk);
    if (text_of (disk, "uri-dirty") == NULL)
      continue;
    cli_table_add (table, dirty);
    cli_table_add (table, "changes");
    add_size (table, disk, "size");
    add_size (table, disk, "dirty-bytes");
    cli_table_add (table, NULL);
    cli_table_add (table, text_of (disk, "uri-dirty"));
  }
  cli_table_print (table);
}

static void
print_skipped (json_object *info)
{
  json_object *skipped = list_of (info, "skipped");
  size_t i;

  for (i = 0; i < list_length (skipped); i++) {
    json_object *disk = json_object_array_get_idx (skipped, i);
    const char *name = text_of (disk, "name"), *why = text_of (disk, "reason");
    g_autofree char *line = g_strdup_printf (
      "%s is left out: %s", name == NULL ? "?" : name, why == NULL ? "?" : why);
    g_autofree char *clean = cli_clean (line);

    printf ("%s\n", clean);
  }
}

static void
print_seconds (const char *title, json_object *result, const char *key)
{
  json_object *seconds;

  if (json_object_object_get_ex (result, key, &seconds) && seconds != NULL)
    printf ("%-15s %" PRIi64 " s\n", title, json_object_get_int64 (seconds));
}

static void
print_consistency (json_object *result)
{
  const char *reason = text_of (result, "consistency-reason");
  json_object *ms = NULL;

  json_object_object_get_ex (result, "quiesced-ms", &ms);
  if (ms == NULL)
    return;
  print_member ("Consistency:", text_of (result, "consistency"));
  print_member ("", reason);
  printf ("%-15s %.1f ms\n", "Quiesced for:", json_object_get_double (ms));
}

static void
print_notes (json_object *info)
{
  json_object *notes = list_of (info, "notes");
  size_t i;

  for (i = 0; i < list_length (notes); i++) {
    const char *text =
      json_object_get_string (json_object_array_get_idx (notes, i));
    g_autofree char *clean = cli_clean (text == NULL ? "?" : text);

    printf ("%s\n", clean);
  }
}

static void
show_backup (json_object *arguments, json_object *result)
{
  json_object *frozen;

  print_member ("Domain:", text_of (result, "domain"));
  print_member ("State:", text_of (result, "state"));
  print_member ("Reason:", text_of (result, "reason"));
  print_member ("Checkpoint:", text_of (result, "checkpoint"));
  print_member ("Incremental:", text_of (result, "incremental"));
  print_member ("Consumer:", text_of (result, "consumer"));
  if (json_object_object_get_ex (result, "frozen-ms", &frozen))
    printf ("%-15s %.1f ms\n", "Guest held:", json_object_get_double (frozen));
  print_consistency (result);
  print_seconds ("Time left:", result, "ttl-left");
  print_seconds ("Idle time left:", result, "idle-left");
  print_disks (result);
  print_skipped (result);
  print_notes (result);
}

static void
show_keepalive (json_object *arguments, json_object *result)
{
  print_member ("Domain:", text_of (result, "domain"));
  print_seconds ("Time left:", result, "ttl-left");
  print_seconds ("Idle time left:", result, "idle-left");
}

static void
show_backup_end (json_object *arguments, json_object *result)
{
  const char *checkpoint = text_of (result, "checkpoint");
  const char *state = text_of (result, "state");

  printf ("Backup of %s %s", text_of (arguments, "domain"),
          state == NULL ? "ended" : state);
  if (checkpoint != NULL)
    printf (strcmp (state == NULL ? "" : state, "committed") == 0
            ? ", checkpoint %s kept" : ", checkpoint %s dropped", checkpoint);
  printf ("\n");
  print_notes (result);
}

static void
show_backup_list (json_object *arguments, json_object *result)
{
  static const char *const titles[] = { "Domain", "State", "Checkpoint",
                                        "Consumer", "Since", NULL };
  struct cli_table *table = cli_table_create (titles);
  json_object *list = list_of (result, "backups");
  size_t i;

  for (i = 0; i < list_length (list); i++) {
    json_object *backup = json_object_array_get_idx (list, i);

    cli_table_add (table, text_of (backup, "domain"));
    cli_table_add (table, text_of (backup, "state"));
    cli_table_add (table, text_of (backup, "checkpoint"));
    cli_table_add (table, text_of (backup, "consumer"));
    add_time (table, backup, "started");
  }
  cli_table_print (table);
}

/* --- domains -------------------------------------------------------- */

static void
show_domain_add (json_object *arguments, json_object *result)
{
  printf ("Domain %s added\n", text_of (arguments, "name"));
}

static void
show_domain_remove (json_object *arguments, json_object *result)
{
  printf ("Domain %s removed\n", text_of (arguments, "name"));
}

static void
show_domain_list (json_object *arguments, json_object *result)
{
  static const char *const titles[] = { "Name", "Backup", "QMP", NULL };
  struct cli_table *table = cli_table_create (titles);
  json_object *list = list_of (result, "domains");
  size_t i;

  for (i = 0; i < list_length (list); i++) {
    json_object *domain = json_object_array_get_idx (list, i);

    cli_table_add (table, text_of (domain, "name"));
    cli_table_add (table, text_of (domain, "backup"));
    cli_table_add (table, text_of (domain, "qmp"));
  }
  cli_table_print (table);
}

static void
show_domain_info (json_object *arguments, json_object *result)
{
  static const char *const titles[] = { "Disk", "Node", "Format", "Size",
                                        "Access", "Bitmaps", NULL };
  struct cli_table *table;
  json_object *list = list_of (result, "disks");
  size_t i;

  print_member ("Name:", text_of (result, "name"));
  print_member ("QMP:", text_of (result, "qmp"));
  print_member ("Backup:", text_of (result, "backup"));
  table = cli_table_create (titles);
  for (i = 0; i < list_length (list); i++) {
    json_object *disk = json_object_array_get_idx (list, i);
    g_autofree char *bitmaps = join_members (list_of (disk, "bitmaps"), "name");

    cli_table_add (table, text_of (disk, "name"));
    cli_table_add (table, text_of (disk, "node"));
    cli_table_add (table, text_of (disk, "driver"));
    add_size (table, disk, "size");
    cli_table_add (table, control_get_bool (disk, "empty") ? "empty"
                   : control_get_bool (disk, "read-only") ? "read-only"
                   : "writable");
    cli_table_add (table, bitmaps);
  }
  cli_table_print (table);
}

/* --- checkpoints ---------------------------------------------------- */

static void
print_number (const char *title, json_object *object, const char *key)
{
  json_object *value;

  if (json_object_object_get_ex (object, key, &value))
    printf ("%-15s %" PRIu64 "\n", title, json_object_get_uint64 (value));
}

static void
show_checkpoint_list (json_object *arguments, json_object *result)
{
  static const char *const titles[] = { "Name", "Parent", "State", "Consumer",
                                        "Creation time", "Disks", NULL };
  struct cli_table *table;
  json_object *list = list_of (result, "checkpoints");
  size_t i;

  if (list != NULL && control_get_bool (arguments, "tree")) {
    cli_checkpoint_tree (list);
    return;
  }
  if (list != NULL && control_get_bool (arguments, "names")) {
    cli_checkpoint_names (list);
    return;
  }
  table = cli_table_create (titles);
  for (i = 0; i < list_length (list); i++) {
    json_object *c = json_object_array_get_idx (list, i);
    g_autofree char *disks = join_members (list_of (c, "disks"), "name");

    cli_table_add (table, text_of (c, "name"));
    cli_table_add (table, text_of (c, "parent"));
    cli_table_add (table, text_of (c, "state"));
    cli_table_add (table, text_of (c, "consumer"));
    add_time (table, c, "creation-time");
    cli_table_add (table, disks);
  }
  cli_table_print (table);
}

static void
show_checkpoint_info (json_object *arguments, json_object *result)
{
  static const char *const titles[] = { "Disk", "Bitmap", "Size", NULL };
  struct cli_table *table;
  json_object *list = list_of (result, "disks");
  size_t i;

  print_member ("Name:", text_of (result, "name"));
  print_member ("Domain:", text_of (result, "domain"));
  print_member ("Parent:", text_of (result, "parent"));
  print_number ("Children:", result, "children");
  print_number ("Descendants:", result, "descendants");
  print_member ("State:", text_of (result, "state"));
  print_member ("Consumer:", text_of (result, "consumer"));
  print_member ("Description:", text_of (result, "description"));
  table = cli_table_create (titles);
  for (i = 0; i < list_length (list); i++) {
    json_object *disk = json_object_array_get_idx (list, i);

    cli_table_add (table, text_of (disk, "name"));
    cli_table_add (table, text_of (disk, "bitmap"));
    add_size (table, disk, "size");
  }
  cli_table_print (table);
}

static void
show_checkpoint_create (json_object *arguments, json_object *result)
{
  const char *xml = text_of (result, "xml");

  if (xml != NULL)
    fputs (xml, stdout);
  else
    printf ("checkpoint %s created\n", text_of (result, "name"));
}

static void
show_checkpoint_delete (json_object *arguments, json_object *result)
{
  json_object *list = list_of (result, "deleted");
  json_object *bitmaps = list_of (result, "bitmaps-of");

  for (size_t i = 0; i < list_length (bitmaps); i++)
    printf ("bitmap %s of disk %s removed\n",
            text_of (arguments, "checkpoint"), json_object_get_string (
              json_object_array_get_idx (bitmaps, i)));
  for (size_t i = 0; i < list_length (list); i++)
    printf ("checkpoint %s deleted\n",
            json_object_get_string (json_object_array_get_idx (list, i)));
}

static void
show_checkpoint_parent (json_object *arguments, json_object *result)
{
  g_autofree char *clean = cli_clean (text_of (result, "parent"));

  printf ("%s\n", clean);
}

static void
show_dumpxml (json_object *arguments, json_object *result)
{
  const char *xml = text_of (result, "xml");

  if (xml != NULL)
    fputs (xml, stdout);
}

static void
show_version (json_object *arguments, json_object *result)
{
  json_object *pid = NULL;

  json_object_object_get_ex (result, "pid", &pid);
  printf ("pullback-backupd %s, process %d\n", text_of (result, "version"),
          json_object_get_int (pid));
}

void
cli_show (const char *verb, json_object *arguments, json_object *result)
{
  static const struct {
    const char *verb;
    void (*show) (json_object *arguments, json_object *result);
  } shows[] = {
    { "domain-add", show_domain_add },
    { "domain-remove", show_domain_remove },
    { "domain-list", show_domain_list },
    { "domain-info", show_domain_info },
    { "backup-begin", show_backup },
    { "backup-commit", show_backup_end },
    { "backup-abort", show_backup_end },
    { "backup-keepalive", show_keepalive },
    { "backup-info", show_backup },
    { "backup-list", show_backup_list },
    { "checkpoint-create", show_checkpoint_create },
    { "checkpoint-create-as", show_checkpoint_create },
    { "checkpoint-delete", show_checkpoint_delete },
    { "checkpoint-list", show_checkpoint_list },
    { "checkpoint-info", show_checkpoint_info },
    { "checkpoint-parent", show_checkpoint_parent },
    { "checkpoint-dumpxml", show_dumpxml },
    { "backup-dumpxml", show_dumpxml },
    { "version", show_version }
  };
  size_t i;

  for (i = 0; i < G_N_ELEMENTS (shows); i++)
    if (strcmp (shows[i].verb, verb) == 0)
      shows[i].show (arguments, result);
}
