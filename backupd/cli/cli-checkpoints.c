/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <stdio.h>
#include <string.h>

#include <glib.h>

#include "cli-checkpoints.h"
#include "cli-table.h"
#include "control-commands.h"

static const char *
member (json_object *list, size_t i, const char *key)
{
  return control_get_string (json_object_array_get_idx (list, i), key);
}

static void
print_name (const char *name)
{
  g_autofree char *clean = cli_clean (name == NULL ? "?" : name);

  printf ("%s\n", clean);
}

void
cli_checkpoint_names (json_object *list)
{
  size_t i;

  for (i = 0; i < json_object_array_length (list); i++)
    print_name (member (list, i, "name"));
}

/* The first child of checkpoint PARENT after I; the length: none. */
static size_t
next_child (json_object *list, const char *parent, size_t i)
{
  size_t n = json_object_array_length (list);

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
  size_t n = json_object_array_length (list), length = indent->len;
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

  for (i = 0; i < json_object_array_length (list); i++)
    if (g_strcmp0 (member (list, i, "name"), name) == 0)
      return true;
  return false;
}

void
cli_checkpoint_tree (json_object *list)
{
  GString *indent = g_string_new (NULL);
  size_t i;

  for (i = 0; i < json_object_array_length (list); i++) {
    const char *parent = member (list, i, "parent");

    if (parent != NULL && has_name (list, parent))
      continue;
    print_branch (list, i, indent);
    printf ("\n");
  }
  g_string_free (indent, TRUE);
}
