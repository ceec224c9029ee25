/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is shown may be a guest's or another user's text, so it cannot steer
 * the terminal. */
#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <glib.h>

#include "cli-table.h"

struct cli_table {
  size_t columns;
  GPtrArray *cells;             /* titles first */
};

char *
cli_clean (const char *text)
{
  char *clean = g_strdup (text), *p;

  for (p = clean; *p != '\0'; p++)
    if (g_ascii_iscntrl (*p))
      *p = '?';
  return clean;
}

char *
cli_size (uint64_t bytes)
{
  static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB",
                                       "EiB" };
  double value = (double) bytes;
  size_t unit = 0;

  if (bytes < 1024)
    return g_strdup_printf ("%" PRIu64 " B", bytes);
  for (value /= 1024; value >= 1024 && unit + 1 < G_N_ELEMENTS (units); unit++)
    value /= 1024;
  return g_strdup_printf ("%.*f %s", value == (double) (uint64_t) value ? 0 : 1,
                          value, units[unit]);
}

struct cli_table *
cli_table_create (void)
{
  struct cli_table *table = g_new0 (struct cli_table, 1);

  table->cells = g_ptr_array_new_with_free_func (g_free);
  return table;
}

void
cli_table_title (struct cli_table *table, const char *title)
{
  cli_table_add (table, title);
  table->columns++;
}

void
cli_table_add (struct cli_table *table, const char *text)
{
  g_ptr_array_add (table->cells,
                   cli_clean (text == NULL || text[0] == '\0' ? "-" : text));
}

static size_t
column_width (const struct cli_table *table, size_t column)
{
  size_t i, width = 0;

  for (i = column; i < table->cells->len; i += table->columns) {
    size_t length = strlen (g_ptr_array_index (table->cells, i));

    width = length > width ? length : width;
  }
  return width;
}

void
cli_table_print (struct cli_table *table)
{
  g_autofree size_t *widths = g_new0 (size_t, table->columns);
  size_t i, total = 0;

  for (i = 0; i < table->columns; i++) {
    widths[i] = column_width (table, i);
    total += widths[i] + 2;
  }
  for (i = 0; i < table->cells->len; i++) {
    size_t column = i % table->columns;
    const char *text = g_ptr_array_index (table->cells, i);

    if (column + 1 < table->columns)
      printf ("%-*s  ", (int) widths[column], text);
    else
      printf ("%s\n", text);
    if (i + 1 == table->columns) {
      size_t dash;

      for (dash = 2; dash < total; dash++)
        putchar ('-');
      putchar ('\n');
    }
  }
  g_ptr_array_free (table->cells, TRUE);
  g_free (table);
}
