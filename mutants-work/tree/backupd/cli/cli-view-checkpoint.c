/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checkpoints: as a table, or their names and their tree as virsh draws it. */
#include <config.h>

#include <stdio.h>

#include <glib.h>

#include "cli-view.h"
#include "json-members.h"

/* --- names and trees ------------------------------------------------ */

static const char *
member (json_object *list, size_t i, const char *key)
{
  return json_get_string (json_object_array_get_idx (list, i), key);
}

static void
print_name (const char *name)
{
  cli_view_say ("%s", name == NULL ? "?" : name);
}

/* The first child of checkpoint PARENT after I; the length: none. */
static size_t
next_child (json_object *list, const char *parent, size_t i)
{
  size_t n = json_length (list);

  while (i < n && g_strcmp0 (member (list, i, "parent"), parent) != 0)
    i++;
  return i;
}

/* One checkpoint whose line begins with what INDENT says: a bar where there are
 * more children of an ancestor to come.  Parents come first, so that this ends
 * whatever the daemon says. */
static void
print_branch (json_object *list, size_t at, GString *indent)
{
  size_t n = json_length (list), length = indent->len;
  const char *name = member (list, at, "name");
  size_t i, next;

  print_name (name);
  for (i = next_child (list, name, at + 1); i < n; i = next) {
    next = next_child (list, name, i + 1);
    printf ("%s  |\n%s  +- ", indent->str, indent->str);
    g_string_append (indent, next < n ? "  | " : "    ");
    print_branch (list, i, indent);
    g_string_truncate (indent, length);
  }
}

static bool
has_name (json_object *list, const char *name)
{
  size_t i;

  for (i = 0; i < json_length (list); i++)
    if (g_strcmp0 (member (list, i, "name"), name) == 0)
      return true;
  return false;
}

static void
print_tree (json_object *list)
{
  GString *indent = g_string_new (NULL);
  size_t i;

  for (i = 0; i < json_length (list); i++) {
    const char *parent = member (list, i, "parent");

    if (parent != NULL && has_name (list, parent))
      continue;
    print_branch (list, i, indent);
    printf ("\n");
  }
  g_string_free (indent, TRUE);
}

static const struct cli_item list_columns[] = {
  { "Name", "name", NULL },
  { "Parent", "parent", NULL },
  { "State", "state", NULL },
  { "Consumer", "consumer", NULL },
  { "Creation time", "creation-time", cli_view_time },
  { "Disks", "disks", cli_view_names },
  { .title = NULL }
};

static void
print_list (json_object *arguments, json_object *reply)
{
  json_object *list = json_get_array (reply, "checkpoints");
  size_t i;

  if (json_get_bool (arguments, "tree"))
    print_tree (list);
  else if (!json_get_bool (arguments, "names"))
    cli_view_rows (list, list_columns);
  else
    for (i = 0; i < json_length (list); i++)
      print_name (member (list, i, "name"));
}

/* --- the others ----------------------------------------------------- */

static void
print_created (json_object *arguments, json_object *reply)
{
  if (json_get_string (reply, "xml") != NULL)
    cli_view_print_xml (arguments, reply);
  else
    printf ("checkpoint %s created\n", json_get_string (reply, "name"));
}

static void
print_deleted (json_object *arguments, json_object *reply)
{
  json_object *list = json_get_array (reply, "deleted");
  json_object *bitmaps = json_get_array (reply, "bitmaps-of");

  for (size_t i = 0; i < json_length (bitmaps); i++)
    printf ("bitmap %s of disk %s removed\n",
            json_get_string (arguments, "checkpoint"), json_object_get_string (
              json_object_array_get_idx (bitmaps, i)));
  for (size_t i = 0; i < json_length (list); i++)
    printf ("checkpoint %s deleted\n",
            json_object_get_string (json_object_array_get_idx (list, i)));
}

static void
print_parent (json_object *arguments, json_object *reply)
{
  print_name (json_get_string (reply, "parent"));
}

const struct cli_view cli_view_checkpoint_create = { .print = print_created };

const struct cli_view cli_view_checkpoint_create_as = {
  .print = print_created
};

const struct cli_view cli_view_checkpoint_delete = { .print = print_deleted };

const struct cli_view cli_view_checkpoint_list = { .print = print_list };

const struct cli_view cli_view_checkpoint_info = {
  .lines = CLI_ITEMS ({ "Name:", "name", NULL },
                      { "Domain:", "domain", NULL },
                      { "Parent:", "parent", NULL },
                      { "Children:", "children", cli_view_number },
                      { "Descendants:", "descendants", cli_view_number },
                      { "State:", "state", NULL },
                      { "Consumer:", "consumer", NULL },
                      { "Description:", "description", NULL }),
  .list = "disks",
  .columns = CLI_ITEMS ({ "Disk", "name", NULL },
                        { "Bitmap", "bitmap", NULL },
                        { "Size", "size", cli_view_size })
};

const struct cli_view cli_view_checkpoint_parent = { .print = print_parent };

const struct cli_view cli_view_checkpoint_dumpxml = {
  .print = cli_view_print_xml
};
