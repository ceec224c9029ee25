/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Nobody else takes a name apart.  The tag has a fixed length and what follows it is
 * named whole, so that no backup's names begin like another's. */
#include <config.h>

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include <glib.h>

#include "qmp-names.h"

#define PREFIX "pullback-"
#define TAG_LENGTH (QMP_TAG_SIZE - 1)

static bool
starts_with_tag (const char *text)
{
  return strspn (text, "0123456789abcdef") >= TAG_LENGTH;
}

void
qmp_tag_make (char tag[QMP_TAG_SIZE])
{
  uint32_t number;

  if (getrandom (&number, sizeof number, 0) != sizeof number)
    number = g_random_int ();
  snprintf (tag, QMP_TAG_SIZE, "%08" G_GINT32_MODIFIER "x", number);
}

bool
qmp_tag_is_valid (const char *tag)
{
  return tag[0] == '\0' || (strlen (tag) == TAG_LENGTH &&
                            starts_with_tag (tag));
}

void
qmp_name (char name[QMP_NAME_SIZE], const char *tag, const char *what,
             unsigned n)
{
  snprintf (name, QMP_NAME_SIZE, PREFIX "%s%s%s%u", tag,
            tag[0] == '\0' ? "" : "-", what, n);
}

bool
qmp_name_is (const char *name, const char *tag, const char *what)
{
  char first[QMP_NAME_SIZE];

  /* Without the number's one digit. */
  qmp_name (first, tag, what, 0);
  first[strlen (first) - 1] = '\0';
  return g_str_has_prefix (name, first);
}

bool
qmp_name_is_ours (const char *name)
{
  return g_str_has_prefix (name, PREFIX) &&
         starts_with_tag (name + strlen (PREFIX)) &&
         name[strlen (PREFIX) + TAG_LENGTH] == '-';
}
