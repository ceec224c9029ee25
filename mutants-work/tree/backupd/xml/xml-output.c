/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Not by libxml2's tree, so that documents look as virsh's do, quotes and indentation, and
 * text that XML cannot hold is no failure. */
#include <config.h>

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include <glib.h>

#include "xml-output.h"

struct xml_output {
  GString *text;
  GPtrArray *open;              /* names of the open elements; borrowed */
  bool in_tag;                  /* the last one's start tag is not closed */
};

struct xml_output *
xml_output_create (void)
{
  struct xml_output *output = g_new0 (struct xml_output, 1);

  output->text = g_string_new (NULL);
  output->open = g_ptr_array_new ();
  return output;
}

char *
xml_output_finish (struct xml_output *output)
{
  char *text;

  while (output->open->len > 0)
    xml_close (output);
  text = g_string_free (output->text, FALSE);
  g_ptr_array_free (output->open, TRUE);
  g_free (output);
  return text;
}

static bool
is_xml_character (gunichar c)
{
  return c == '\t' || c == '\n' || c == '\r' || (c >= 0x20 && c <= 0xd7ff) ||
         (c >= 0xe000 && c <= 0xfffd) || (c >= 0x10000 && c <= 0x10ffff);
}

/* White space other than a blank would be changed by a reader of an
 * attribute. */
static void
add_character (GString *text, gunichar c, bool attribute)
{
  if (c == '<')
    g_string_append (text, "&lt;");
  else if (c == '>')
    g_string_append (text, "&gt;");
  else if (c == '&')
    g_string_append (text, "&amp;");
  else if (c == '\'' && attribute)
    g_string_append (text, "&apos;");
  else if (c == '\r' || (attribute && (c == '\n' || c == '\t')))
    g_string_append_printf (text, "&#%u;", (unsigned) c);
  else
    g_string_append_unichar (text, c);
}

static void
add_escaped (GString *text, const char *value, bool attribute)
{
  while (*value != '\0') {
    gunichar c = g_utf8_get_char_validated (value, -1);

    if ((gint32) c < 0) {
      g_string_append_c (text, '?');
      value++;
      continue;
    }
    if (is_xml_character (c))
      add_character (text, c, attribute);
    else
      g_string_append_c (text, '?');
    value = g_utf8_next_char (value);
  }
}

static void
start_line (struct xml_output *output)
{
  guint i;

  if (output->in_tag)
    g_string_append (output->text, ">\n");
  output->in_tag = false;
  for (i = 0; i < output->open->len; i++)
    g_string_append (output->text, "  ");
}

void
xml_open (struct xml_output *output, const char *name)
{
  start_line (output);
  g_string_append_printf (output->text, "<%s", name);
  g_ptr_array_add (output->open, (gpointer) name);
  output->in_tag = true;
}

void
xml_put (struct xml_output *output, const char *attribute, const char *value)
{
  if (value == NULL)
    return;
  g_string_append_printf (output->text, " %s='", attribute);
  add_escaped (output->text, value, true);
  g_string_append_c (output->text, '\'');
}

void
xml_put_number (struct xml_output *output, const char *attribute,
                uint64_t value)
{
  g_string_append_printf (output->text, " %s='%" PRIu64 "'", attribute, value);
}

void
xml_close (struct xml_output *output)
{
  const char *name =
    g_ptr_array_index (output->open, output->open->len - 1);
  bool empty = output->in_tag;

  output->in_tag = false;
  g_ptr_array_set_size (output->open, (gint) output->open->len - 1);
  if (empty) {
    g_string_append (output->text, "/>\n");
    return;
  }
  start_line (output);
  g_string_append_printf (output->text, "</%s>\n", name);
}

void
xml_put_element (struct xml_output *output, const char *name,
                 const char *text)
{
  if (text == NULL)
    return;
  start_line (output);
  g_string_append_printf (output->text, "<%s>", name);
  add_escaped (output->text, text, false);
  g_string_append_printf (output->text, "</%s>\n", name);
}
