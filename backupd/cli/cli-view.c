/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the daemon says may hold what a guest or a file says: control
 * characters, which a terminal would obey, are taken out on the way. */
#include <config.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <glib.h>

#include "cli-view.h"
#include "json-members.h"

/* --- members of replies --------------------------------------------- */

char *
cli_view_size (json_object *object, const char *key)
{
  json_object *value = json_object_object_get (object, key);

  return value == NULL ? NULL : cli_size (json_object_get_uint64 (value));
}

char *
cli_view_time (json_object *object, const char *key)
{
  json_object *value = json_object_object_get (object, key);
  time_t when = (time_t) json_object_get_int64 (value);
  char text[64];
  struct tm tm;

  if (value == NULL || localtime_r (&when, &tm) == NULL ||
      strftime (text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm) == 0)
    return NULL;
  return g_strdup (text);
}

char *
cli_view_number (json_object *object, const char *key)
{
  json_object *value = json_object_object_get (object, key);

  return value == NULL ? NULL
         : g_strdup_printf ("%" PRIu64, json_object_get_uint64 (value));
}

char *
cli_view_seconds (json_object *object, const char *key)
{
  json_object *value = json_object_object_get (object, key);

  return value == NULL ? NULL
         : g_strdup_printf ("%" PRIi64 " s", json_object_get_int64 (value));
}

char *
cli_view_ms (json_object *object, const char *key)
{
  json_object *value = json_object_object_get (object, key);

  return value == NULL ? NULL
         : g_strdup_printf ("%.1f ms", json_object_get_double (value));
}

char *
cli_view_names (json_object *object, const char *key)
{
  json_object *list = json_get_array (object, key);
  GString *joined = g_string_new (NULL);
  size_t i;

  for (i = 0; i < json_length (list); i++) {
    const char *text =
      json_get_string (json_object_array_get_idx (list, i), "name");

    g_string_append_printf (joined, "%s%s", i > 0 ? ", " : "",
                            text == NULL ? "?" : text);
  }
  return g_string_free (joined, FALSE);
}

static char *
format_item (const struct cli_item *item, json_object *object)
{
  return item->format != NULL ? item->format (object, item->key)
         : g_strdup (json_get_string (object, item->key));
}

/* --- printing ------------------------------------------------------- */

void
cli_view_say (const char *format, ...)
{
  g_autofree char *text = NULL, *clean = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  clean = cli_clean (text);
  printf ("%s\n", clean);
}

static void
print_line (const struct cli_item *item, json_object *reply)
{
  g_autofree char *text = format_item (item, reply);

  if (text != NULL && text[0] != '\0')
    cli_view_say ("%-15s %s", item->title, text);
}

struct cli_table *
cli_view_table (const struct cli_item *columns)
{
  struct cli_table *table = cli_table_create ();

  for (; columns->title != NULL; columns++)
    cli_table_title (table, columns->title);
  return table;
}

void
cli_view_row (struct cli_table *table, const struct cli_item *columns,
              json_object *object)
{
  for (; columns->title != NULL; columns++) {
    g_autofree char *text = format_item (columns, object);

    cli_table_add (table, text);
  }
}

void
cli_view_rows (json_object *list, const struct cli_item *columns)
{
  struct cli_table *table = cli_view_table (columns);
  size_t i;

  for (i = 0; i < json_length (list); i++)
    cli_view_row (table, columns, json_object_array_get_idx (list, i));
  cli_table_print (table);
}

void
cli_view_print_xml (json_object *arguments, json_object *reply)
{
  const char *xml = json_get_string (reply, "xml");

  if (xml != NULL)
    fputs (xml, stdout);
}

void
cli_view_skipped (json_object *info)
{
  json_object *skipped = json_get_array (info, "skipped");

  for (size_t i = 0; i < json_length (skipped); i++) {
    json_object *disk = json_object_array_get_idx (skipped, i);
    const char *name = json_get_string (disk, "name");
    const char *why = json_get_string (disk, "reason");

    cli_view_say ("%s is left out: %s", name == NULL ? "?" : name,
                  why == NULL ? "?" : why);
  }
}

void
cli_view_print (const struct control_arguments *arguments, json_object *reply)
{
  static const struct cli_view *const views[] = {
#define COMMAND(id, ...) &cli_view_##id,
#include "control-commands.tbl.h"
  };
  const struct cli_view *view =
    views[arguments->command - control_commands ()];
  const struct cli_item *line;

  for (line = view->lines; line != NULL && line->title != NULL; line++)
    print_line (line, reply);
  if (view->list != NULL)
    cli_view_rows (json_get_array (reply, view->list), view->columns);
  if (view->print != NULL)
    view->print (arguments->json, reply);
}
