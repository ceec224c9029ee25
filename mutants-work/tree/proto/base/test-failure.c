/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A sentence is one line of UTF-8, whatever it quotes and however it is cut. */
#include <config.h>

#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "failure.h"

static void
expect (const char *quoted, const char *text)
{
  struct failure why = { .error = 0 };

  assert (failure_set (&why, FAILURE_GENERIC, EIO, "<%.4s>", quoted) == -EIO);
  if (strcmp (why.text, text) != 0)
    fprintf (stderr, "%s: %s\n", text, why.text);
  assert (strcmp (why.text, text) == 0);
}

/* The room for the text ends within a character. */
static void
test_overlong (void)
{
  struct failure why = { .error = 0 };
  char quoted[2 * sizeof why.text];
  size_t i;

  for (i = 0; i + 1 < sizeof quoted; i++)
    quoted[i] = "\xc3\xa4"[i % 2];
  quoted[i] = '\0';
  assert (failure_set (&why, FAILURE_GENERIC, EIO, "%s", quoted) == -EIO);
  assert (strlen (why.text) == sizeof why.text - 1);
  assert (why.text[sizeof why.text - 2] == '?');
}

int
main (void)
{
  expect ("a\xc3\xa4" "b", "<a\xc3\xa4" "b>");
  expect ("\xf0\x9f\x98\x80", "<\xf0\x9f\x98\x80>");
  expect ("\xe2\x82\xac", "<\xe2\x82\xac>");
  expect ("a\nb", "<a?b>");
  expect ("aaa\xc3\xa4", "<aaa?>");
  expect ("a\xf0\x9f\x98\x80", "<a\?\?\?>");
  expect ("\xa4", "<?>");
  expect ("\xff", "<?>");
  test_overlong ();
  return 0;
}
