/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The sentence goes out as one line of JSON.  What it quotes may hold any byte,
 * and may have been cut in the middle of a character. */
#include <config.h>

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "failure.h"

static const char *const class_names[] = {
#define FAILURE_NAME(name, text) [FAILURE_##name] = text,
  FAILURE_CLASSES (FAILURE_NAME)
#undef FAILURE_NAME
};

/* Bytes of the character in UTF-8 at TEXT; 0: there is no whole one. */
static size_t
character_length (const char *text)
{
  const unsigned char lead = (unsigned char) *text;
  size_t i, length = lead < 0x80 ? 1 : lead < 0xc0 ? 0 : lead < 0xe0 ? 2
                     : lead < 0xf0 ? 3 : lead < 0xf8 ? 4 : 0;

  for (i = 1; i < length; i++)
    if ((text[i] & 0xc0) != 0x80)
      return 0;
  return length;
}

static void
make_printable (char *text)
{
  size_t length;

  for (; *text != '\0'; text += length) {
    length = character_length (text);
    if (length == 0 || iscntrl ((unsigned char) *text)) {
      *text = '?';
      length = 1;
    }
  }
}

int
failure_set (struct failure *why, enum failure_class class, int error,
             const char *format, ...)
{
  va_list args;

  if (why == NULL || why->error != 0)
    return -error;
  why->class = class;
  why->error = error;
  va_start (args, format);
  vsnprintf (why->text, sizeof why->text, format, args);
  va_end (args);
  make_printable (why->text);
  return -error;
}

const char *
failure_class_name (enum failure_class class)
{
  return class_names[class];
}

enum failure_class
failure_class_from_name (const char *name)
{
  size_t i;

  for (i = 0; i < sizeof class_names / sizeof class_names[0]; i++)
    if (strcmp (class_names[i], name) == 0)
      return (enum failure_class) i;
  return FAILURE_GENERIC;
}
