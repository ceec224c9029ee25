/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* steps.c: order of runs and undos, and what a failure leaves started. */
#include <config.h>

#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "log.h"
#include "steps.h"

static char trace[64];

static int
note (const char *what, int result, struct failure *why)
{
  strcat (trace, what);
  return result == 0 ? 0 : failure_set (why, FAILURE_GENERIC, -result, "%s",
                                        what);
}

static int run_a (void *c, struct failure *w) { return note ("a", 0, w); }
static int run_b (void *c, struct failure *w) { return note ("b", *(int *) c, w); }
static int run_c (void *c, struct failure *w) { return note ("c", 0, w); }
static int undo_a (void *c, struct failure *w) { return note ("A", 0, w); }
static int undo_b (void *c, struct failure *w) { return note ("B", *(int *) c, w); }

static const struct step table[] = {
  { "a", run_a, undo_a },
  { "b", run_b, undo_b },
  { "c", run_c, NULL },
};

static void
test_all_run (void)
{
  int result = 0;
  size_t started;

  trace[0] = '\0';
  assert (steps_run (table, 3, &result, &started, NULL) == 0);
  assert (started == 3 && strcmp (trace, "abc") == 0);
  assert (steps_undo (table, started, &result, NULL) == 0);
  assert (strcmp (trace, "abcBA") == 0);
}

static void
test_failed_step_is_undone_too (void)
{
  int result = -EIO;
  size_t started;
  struct failure why = { 0 };

  trace[0] = '\0';
  assert (steps_run (table, 3, &result, &started, &why) == -EIO);
  assert (started == 2 && strcmp (why.text, "b") == 0);
  /* An undo that fails does not keep the others from running. */
  why.error = 0;
  assert (steps_undo (table, started, &result, &why) == -EIO);
  assert (strcmp (trace, "abBA") == 0 && strcmp (why.text, "B") == 0);
}

int
main (void)
{
  log_open ("test-steps", LOG_LEVEL_ERROR);
  test_all_run ();
  test_failed_step_is_undone_too ();
  return 0;
}
