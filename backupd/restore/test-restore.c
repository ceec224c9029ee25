/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#undef NDEBUG
#include <assert.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "log.h"
#include "restore-errand.h"
#include "restore-target-errand.h"
#include "test-restore.h"

char folder[] = "/tmp/pullback-target-XXXXXX";
struct failure why;

/* The test is the program of its targets' errands, too. */
static __attribute__ ((constructor)) void
run_errand (int argc, char **argv)
{
  if (argc > 0 && restore_errand_is_one (argv))
    exit (restore_target_errand_main (argv));
}

void
test_begin (const char *name)
{
  log_open (name, LOG_LEVEL_ERROR);
  signal (SIGPIPE, SIG_IGN);
  alarm (600);
  assert (mkdtemp (folder) != NULL);
}

void
test_end (void)
{
  g_autofree char *out = in_folder ("out");

  assert (unlink (out) == 0);
  assert (rmdir (folder) == 0);
}

char *
in_folder (const char *name)
{
  return g_build_filename (folder, name, NULL);
}

bool
exists (const char *name)
{
  g_autofree char *path = in_folder (name);

  return access (path, F_OK) == 0;
}

int
shell (const char *format, ...)
{
  g_autofree char *words = NULL, *command = NULL;
  va_list args;

  va_start (args, format);
  words = g_strdup_vprintf (format, args);
  va_end (args);
  command = g_strdup_printf ("cd %s && { %s; } >out 2>&1", folder, words);
  return system (command);
}

bool
said (const char *text)
{
  g_autofree char *path = in_folder ("out"), *out = NULL;

  assert (g_file_get_contents (path, &out, NULL, NULL));
  if (strstr (out, text) != NULL)
    return true;
  fprintf (stderr, "not \"%s\" but: %s", text, out);
  return false;
}

int
try (struct restore_target_spec spec, const char *name,
     struct restore_target **target)
{
  g_autofree char *path = in_folder (name);

  why = (struct failure) { .error = 0 };
  spec.restore = spec.restore == NULL ? "web1" : spec.restore;
  spec.path = path;
  spec.format = spec.format == NULL ? "raw" : spec.format;
  return restore_target_open (&spec, target, &why);
}

struct restore_target *
open_target (struct restore_target_spec spec, const char *name)
{
  struct restore_target *target;

  if (try (spec, name, &target) < 0) {
    fprintf (stderr, "%s\n", why.text);
    abort ();
  }
  return target;
}

void
refused (struct restore_target_spec spec, const char *name, const char *what)
{
  struct restore_target *target;
  int r = try (spec, name, &target);

  if (r >= 0 || strstr (why.text, what) == NULL)
    fprintf (stderr, "%s: not \"%s\" but: %d %s\n", name, what, r, why.text);
  assert (r < 0 && r == -why.error && strstr (why.text, what) != NULL);
}
