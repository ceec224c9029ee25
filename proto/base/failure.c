/* SPDX-License-Identifier: LGPL-2.1-or-later */
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

int
failure_set (struct failure *why, enum failure_class class, int error,
             const char *format, ...)
{
  va_list args;
  char *p;

  if (why == NULL || why->error != 0)
    return -error;
  why->class = class;
  why->error = error;
  va_start (args, format);
  vsnprintf (why->text, sizeof why->text, format, args);
  va_end (args);
  for (p = why->text; *p != '\0'; p++)
    if (iscntrl ((unsigned char) *p))
      *p = '?';
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
