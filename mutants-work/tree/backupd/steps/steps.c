/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Undos are tried to the end, since what the first cannot undo is no reason to
 * leave the rest: each is logged, and the first failure is who asked's. */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "steps.h"

#ifdef ENABLE_STOP_AFTER
#define PAUSE_LOOK_US 1000

static void
pause_after (const char *name)
{
  const char *path = getenv ("PULLBACK_PAUSE");
  FILE *stream = path == NULL ? NULL : fopen (path, "re");
  char wanted[64] = "", paused[300];

  if (stream == NULL)
    return;
  if (fscanf (stream, "%63s", wanted) != 1)
    wanted[0] = '\0';
  fclose (stream);
  snprintf (paused, sizeof paused, "%s.paused", path);
  if (strcmp (wanted, name) == 0 && rename (path, paused) == 0)
    while (access (paused, F_OK) == 0)
      usleep (PAUSE_LOOK_US);
}
#endif

void
steps_stop_after (const char *name)
{
#ifdef ENABLE_STOP_AFTER
  const char *wanted = getenv ("PULLBACK_STOP_AFTER");

  if (wanted != NULL && strcmp (wanted, name) == 0) {
    log_error ("stopping after step %s, as PULLBACK_STOP_AFTER asks", name);
    abort ();
  }
  pause_after (name);
#else
  (void) name;
#endif
}

static void
stop_after_undo (const char *step)
{
  char name[64];

  snprintf (name, sizeof name, "undo-%s", step);
  steps_stop_after (name);
}

int
steps_run (const struct step *steps, size_t n, void *context, size_t *started,
           struct failure *why)
{
  for (*started = 0; *started < n; ) {
    const struct step *step = &steps[(*started)++];
    int r = step->run (context, why);

    if (r < 0) {
      log_debug ("step %s failed: %s", step->name, why->text);
      return r;
    }
    log_debug ("step %s done", step->name);
    steps_stop_after (step->name);
  }
  return 0;
}

int
steps_undo (const struct step *steps, size_t n, void *context,
            struct failure *why)
{
  int first = 0;

  while (n-- > 0) {
    struct failure one = { 0 };
    int r;

    if (steps[n].undo == NULL)
      continue;
    r = steps[n].undo (context, &one);
    if (r < 0) {
      log_warning ("undo of step %s: %s", steps[n].name, one.text);
      if (first == 0) {
        first = r;
        failure_set (why, one.class, -r, "%s", one.text);
      }
    }
    log_debug ("undo of step %s done", steps[n].name);
    stop_after_undo (steps[n].name);
  }
  return first;
}
