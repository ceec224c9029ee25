/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Restores.  That an image is half restored is said in a line of its own, after the table. */
#include <config.h>

#include <glib.h>

#include "cli-view.h"
#include "json-members.h"

static const struct cli_item disk_columns[] = {
  { "Disk", "name", NULL },
  { "Image", "image", NULL },
  { "Format", "format", NULL },
  { "Size", "size", cli_view_size },
  { "Written", "written", cli_view_size },
  { "URI", "uri", NULL },
  { .title = NULL }
};

static void
print_half (json_object *disks)
{
  for (size_t i = 0; i < json_length (disks); i++) {
    json_object *disk = json_object_array_get_idx (disks, i);
    const char *image = json_get_string (disk, "image");

    if (json_get_bool (disk, "half"))
      cli_view_say ("%s is half restored", image == NULL ? "?" : image);
  }
}

/* What must be written, for clients that know bitmaps and for others. */
static void
print_changed (json_object *disks, const char *since)
{
  for (size_t i = 0; i < json_length (disks); i++) {
    json_object *disk = json_object_array_get_idx (disks, i);
    const char *context = json_get_string (disk, "context");
    g_autofree char *changed = cli_view_size (disk, "changed");

    if (context != NULL && since != NULL)
      cli_view_say ("%s: %s changed since %s: %s, or what is data in %s",
                    json_get_string (disk, "name"),
                    changed != NULL ? changed : "?", since, context,
                    json_get_string (disk, "uri-changed"));
  }
}

/* How far what the daemon itself copies is. */
static void
print_copies (json_object *disks)
{
  for (size_t i = 0; i < json_length (disks); i++) {
    json_object *disk = json_object_array_get_idx (disks, i);
    json_object *copy = json_get_object (disk, "copy");
    g_autofree char *done = cli_view_size (copy, "done");
    g_autofree char *total = cli_view_size (copy, "total");
    g_autofree char *differing = cli_view_size (copy, "differing");
    g_autofree char *rate = cli_view_size (copy, "rate");

    if (copy != NULL && done != NULL && total != NULL)
      cli_view_say ("%s: %s of %s are equal, %s differed, %s/s",
                    json_get_string (disk, "name"), done, total,
                    differing != NULL ? differing : "?",
                    rate != NULL ? rate : "?");
  }
}

/* How far the data of an instant restore is. */
static void
print_moves (json_object *disks)
{
  for (size_t i = 0; i < json_length (disks); i++) {
    json_object *disk = json_object_array_get_idx (disks, i);
    const char *move = json_get_string (disk, "move");
    const char *reason = json_get_string (disk, "move-reason");
    g_autofree char *moved = cli_view_size (disk, "moved");
    g_autofree char *size = cli_view_size (disk, "size");

    if (move != NULL && moved != NULL && size != NULL)
      cli_view_say ("%s: %s, %s of %s%s%s", json_get_string (disk, "name"),
                    move, moved, size, reason != NULL ? ": " : "",
                    reason != NULL ? reason : "");
  }
}

static void
print_machine (json_object *machine, json_object *notes)
{
  const char *name = json_get_string (machine, "name");
  const char *uri = json_get_string (machine, "libvirt");
  const char *path = json_get_string (machine, "path");

  if (name != NULL && uri != NULL)
    cli_view_say ("The commit defines %s in libvirt at %s", name, uri);
  else if (name != NULL && path != NULL)
    cli_view_say ("The commit writes the XML of %s into %s", name, path);
  for (size_t i = 0; i < json_length (notes); i++)
    cli_view_say ("%s: %s", name, json_object_get_string (
                    json_object_array_get_idx (notes, i)));
}

static void
print_disks (json_object *arguments, json_object *info)
{
  json_object *disks = json_get_array (info, "disks");

  if (json_length (disks) > 0)
    cli_view_rows (disks, disk_columns);
  print_changed (disks, json_get_string (info, "since"));
  print_copies (disks);
  print_moves (disks);
  print_half (disks);
  cli_view_skipped (info);
  print_machine (json_get_object (info, "machine"),
                 json_get_array (info, "notes"));
}

#define RESTORE \
  .lines = CLI_ITEMS ({ "Restore:", "name", NULL }, \
                      { "State:", "state", NULL }, \
                      { "Reason:", "reason", NULL }, \
                      { "Since:", "started", cli_view_time }), \
  .print = print_disks

const struct cli_view cli_view_restore_begin = { RESTORE };

const struct cli_view cli_view_restore_info = { RESTORE };

const struct cli_view cli_view_restore_move = { RESTORE };

static void
print_end (json_object *arguments, json_object *reply)
{
  const char *state = json_get_string (reply, "state");

  cli_view_say ("Restore %s %s", json_get_string (arguments, "name"),
                g_strcmp0 (state, "half") == 0 ? "aborted"
                : state == NULL ? "ended" : state);
  if (g_strcmp0 (state, "half") == 0)
    print_half (json_get_array (reply, "disks"));
}

const struct cli_view cli_view_restore_commit = { .print = print_end };

const struct cli_view cli_view_restore_abort = { .print = print_end };

const struct cli_view cli_view_restore_list = {
  .list = "restores",
  .columns = CLI_ITEMS ({ "Restore", "name", NULL },
                        { "State", "state", NULL },
                        { "Disks", "disks", cli_view_names },
                        { "Since", "started", cli_view_time },
                        { "Reason", "reason", NULL })
};
