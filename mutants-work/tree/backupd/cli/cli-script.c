/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The user's command gets the URIs as variables, not as words of its own, so
 * that it needs no quoting, and its exit status decides: there is no other
 * sign that a copy is good. */
#include <config.h>

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include <glib.h>

#include "cli-script.h"
#include "control-commands.h"
#include "json-members.h"

static void
add_variable (GPtrArray *variables, const char *disk, const char *suffix,
              const char *value)
{
  char *text, *p;

  if (value == NULL)
    return;
  text = g_strdup_printf ("uri_%s%s=%s", disk, suffix, value);
  for (p = text; *p != '='; p++)
    if (!g_ascii_isalnum (*p))
      *p = '_';
  g_ptr_array_add (variables, text);
}

/* "NAME=VALUE", ended by NULL. */
static GPtrArray *
make_variables (json_object *backup)
{
  GPtrArray *variables = g_ptr_array_new_with_free_func (g_free);
  json_object *disks = NULL;
  size_t i, n;

  json_object_object_get_ex (backup, "disks", &disks);
  n = json_object_is_type (disks, json_type_array)
      ? json_object_array_length (disks) : 0;
  for (i = 0; i < n; i++) {
    json_object *disk = json_object_array_get_idx (disks, i);
    const char *name = json_get_string (disk, "name");
    const char *uri = json_get_string (disk, "uri");

    if (name == NULL || uri == NULL)
      continue;
    add_variable (variables, name, "", uri);
    add_variable (variables, name, "_dirty",
                  json_get_string (disk, "uri-dirty"));
    if (n == 1)
      g_ptr_array_add (variables, g_strconcat ("uri=", uri, NULL));
  }
  g_ptr_array_add (variables, NULL);
  return variables;
}

int
cli_script_start (const char *command, json_object *backup,
                  struct cli_script *script, struct failure *why)
{
  char *argv[] = { (char *) "/bin/sh", (char *) "-c", (char *) command, NULL };
  g_autoptr (GPtrArray) variables = make_variables (backup);
  int r;

  /* At a terminal the command stays in our process group, or it could not
   * read from it; else it gets its own, so that a signal reaches all of it. */
  script->own_group = tcgetpgrp (STDIN_FILENO) != getpgrp ();
  r = process_spawn (&(struct process_spec) {
                       .program = argv[0], .argv = argv,
                       .variables = (char **) variables->pdata,
                       .descriptors = (int[]) { STDIN_FILENO, STDOUT_FILENO,
                                                STDERR_FILENO },
                       .n_descriptors = 3,
                       .our_group = !script->own_group },
                     &script->process);
  if (r < 0) {
    script->process.pid = 0;
    return failure_set (why, FAILURE_GENERIC, -r, "the command cannot be "
                        "started: %s", g_strerror (-r));
  }
  return 0;
}

bool
cli_script_ended (struct cli_script *script, int *status)
{
  struct process_end end = { .number = 0 };

  if (script->process.pid == 0 ||
      process_wait (&script->process, 0, &end) == -ETIMEDOUT)
    return false;
  *status = end.by_signal ? 128 + end.number : end.number;
  return true;
}

void
cli_script_signal (const struct cli_script *script, int number)
{
  if (script->process.pid > 0)
    kill (script->own_group ? -script->process.pid : script->process.pid, number);
}
