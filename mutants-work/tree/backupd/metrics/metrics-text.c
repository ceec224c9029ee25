/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All samples of a family must follow its HELP and TYPE, while they are found
 * domain by domain: so each family is a string of its own until the end.  A label's
 * value may be the name that somebody gave a disk, and must neither end the line
 * nor move a terminal's cursor. */
#include <config.h>

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>

#include <glib.h>

#include "metrics-text.h"

struct metrics_text {
  GString *samples[METRICS_FAMILIES];
};

enum type { GAUGE, COUNTER, HISTOGRAM };

static const struct {
  const char *name;
  enum type type;
  const char *help;
} families[] = {
#define FAMILY(id, name, type, help) { name, type, help },
#include "metrics-families.tbl.h"
};

static const char *const type_names[] = { "gauge", "counter", "histogram" };

struct metrics_text *
metrics_text_create (void)
{
  struct metrics_text *text = g_new (struct metrics_text, 1);
  int i;

  for (i = 0; i < METRICS_FAMILIES; i++)
    text->samples[i] = g_string_new (NULL);
  return text;
}

static void
append_escaped (GString *to, const char *value)
{
  g_autofree char *valid = g_utf8_make_valid (value == NULL ? "" : value, -1);
  const char *c;

  for (c = valid; *c != '\0'; c++)
    if (*c == '\n')
      g_string_append (to, "\\n");
    else if (*c == '"' || *c == '\\')
      g_string_append_printf (to, "\\%c", *c);
    else
      g_string_append_c (to, g_ascii_iscntrl (*c) ? '?' : *c);
}

static void
append_value (GString *to, double value)
{
  if (isinf (value))
    g_string_append (to, "+Inf");
  else if (value == floor (value) && fabs (value) < 9e15)
    g_string_append_printf (to, "%" PRIi64, (int64_t) value);
  else {
    char buffer[G_ASCII_DTOSTR_BUF_SIZE];

    g_string_append (to, g_ascii_formatd (buffer, sizeof buffer, "%.15g",
                                          value));
  }
}

/* NAME="value",... as a new string. */
static char *
format_labels (va_list list)
{
  GString *labels = g_string_new (NULL);
  const char *name;

  while ((name = va_arg (list, const char *)) != NULL) {
    g_string_append_printf (labels, "%s%s=\"", labels->len > 0 ? "," : "",
                            name);
    append_escaped (labels, va_arg (list, const char *));
    g_string_append_c (labels, '"');
  }
  return g_string_free (labels, FALSE);
}

static void
add_line (GString *to, const char *name, const char *suffix,
          const char *labels, double value)
{
  g_string_append_printf (to, "%s%s", name, suffix);
  if (labels[0] != '\0')
    g_string_append_printf (to, "{%s}", labels);
  g_string_append_c (to, ' ');
  append_value (to, value);
  g_string_append_c (to, '\n');
}

void
metrics_text_add (struct metrics_text *text, enum metrics_family family,
                  double value, ...)
{
  g_autofree char *labels = NULL;
  va_list list;

  va_start (list, value);
  labels = format_labels (list);
  va_end (list);
  add_line (text->samples[family], families[family].name, "", labels, value);
}

void
metrics_text_add_histogram (struct metrics_text *text,
                            enum metrics_family family, size_t n,
                            const double *bounds, const uint64_t *counts,
                            double sum, ...)
{
  const char *name = families[family].name;
  GString *to = text->samples[family];
  g_autofree char *labels = NULL;
  uint64_t total = 0;
  va_list list;
  size_t i;

  va_start (list, sum);
  labels = format_labels (list);
  va_end (list);
  for (i = 0; i < n; i++) {
    total += counts[i];
    g_string_append_printf (to, "%s_bucket{%s%sle=\"", name, labels,
                            labels[0] == '\0' ? "" : ",");
    append_value (to, bounds[i]);
    g_string_append_printf (to, "\"} %" PRIu64 "\n", total);
  }
  if (!isnan (sum))
    add_line (to, name, "_sum", labels, sum);
  add_line (to, name, "_count", labels, (double) total);
}

char *
metrics_text_finish (struct metrics_text *text)
{
  GString *all = g_string_new (NULL);
  int i;

  for (i = 0; i < METRICS_FAMILIES; i++) {
    const char *name = families[i].name;

    if (text->samples[i]->len > 0) {
      g_string_append_printf (all, "# HELP %s %s\n", name, families[i].help);
      g_string_append_printf (all, "# TYPE %s %s\n", name,
                              type_names[families[i].type]);
      g_string_append_len (all, text->samples[i]->str,
                           (gssize) text->samples[i]->len);
    }
    g_string_free (text->samples[i], TRUE);
  }
  g_free (text);
  return g_string_free (all, FALSE);
}
