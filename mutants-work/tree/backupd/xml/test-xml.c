/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#undef NDEBUG
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "test-xml.h"

char *
test_document (const char *name)
{
  const char *source = getenv ("PULLBACK_SRCDIR");
  g_autofree char *path = g_build_filename (source == NULL ? "." : source,
                                            "backupd/xml/testdata", name,
                                            NULL);
  char *text = NULL;

  if (!g_file_get_contents (path, &text, NULL, NULL)) {
    fprintf (stderr, "cannot read %s\n", path);
    abort ();
  }
  return text;
}

void
test_bad_documents (const struct bad_document *bad,
                    int (*parse) (const char *text, struct failure *why))
{
  for (; bad->text != NULL; bad++) {
    struct failure why = { .error = 0 };

    if (parse (bad->text, &why) == 0 || strstr (why.text, bad->says) == NULL) {
      fprintf (stderr, "%s\nshould say: %s\nsays: %s\n", bad->text, bad->says,
               why.error == 0 ? "(nothing)" : why.text);
      abort ();
    }
  }
}

void
test_good (int r, const struct failure *why)
{
  if (r == 0)
    return;
  fprintf (stderr, "%s\n", why->text);
  abort ();
}
