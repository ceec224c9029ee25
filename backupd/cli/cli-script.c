/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib.h>

#include "cli-script.h"
#include "control-commands.h"

/* The environment with NAME=VALUE, taken over like g_environ_setenv does. */
static char **
add_variable (char **environment, const char *disk, const char *suffix,
              const char *value)
{
  g_autofree char *name = g_strdup_printf ("uri_%s%s", disk, suffix);
  char *p;

  if (value == NULL)
    return environment;
  for (p = name; *p != '\0'; p++)
    if (!g_ascii_isalnum (*p))
      *p = '_';
  return g_environ_setenv (environment, name, value, TRUE);
}

static char **
make_environment (json_object *backup)
{
  char **environment = g_get_environ ();
  json_object *disks = NULL;
  size_t i, n;

  json_object_object_get_ex (backup, "disks", &disks);
  n = json_object_is_type (disks, json_type_array)
      ? json_object_array_length (disks) : 0;
  for (i = 0; i < n; i++) {
    json_object *disk = json_object_array_get_idx (disks, i);
    const char *name = control_get_string (disk, "name");
    const char *uri = control_get_string (disk, "uri");

    if (name == NULL || uri == NULL)
      continue;
    environment = add_variable (environment, name, "", uri);
    environment = add_variable (environment, name, "_dirty",
                                control_get_string (disk, "uri-dirty"));
    if (n == 1)
      environment = g_environ_setenv (environment, "uri", uri, TRUE);
  }
  return environment;
}

int
cli_script_start (const char *command, json_object *backup,
                  struct cli_script *script, struct failure *why)
{
  char *argv[] = { (char *) "/bin/sh", (char *) "-c", (char *) command, NULL };
  char **environment = make_environment (backup);
  sigset_t none;

  /* At a terminal the command stays in our process group, or it could not
   * read from it; else it gets its own, so that a signal reaches all of it. */
  script->own_group = tcgetpgrp (STDIN_FILENO) != getpgrp ();
  script->pid = fork ();
  if (script->pid == 0) {
    if (script->own_group)
      setpgid (0, 0);
    sigemptyset (&none);
    sigprocmask (SIG_SETMASK, &none, NULL);
    execve (argv[0], argv, environment);
    _exit (127);
  }
  g_strfreev (environment);
  if (script->pid < 0) {
    script->pid = 0;
    return failure_set (why, FAILURE_GENERIC, errno, "cannot fork: %s",
                        g_strerror (errno));
  }
  if (script->own_group)
    setpgid (script->pid, script->pid);
  return 0;
}

bool
cli_script_ended (struct cli_script *script, int *status)
{
  int how = 0;

  if (script->pid == 0 || waitpid (script->pid, &how, WNOHANG) == 0)
    return false;
  script->pid = 0;
  *status = WIFSIGNALED (how) ? 128 + WTERMSIG (how) : WEXITSTATUS (how);
  return true;
}

void
cli_script_signal (const struct cli_script *script, int number)
{
  if (script->pid > 0)
    kill (script->own_group ? -script->pid : script->pid, number);
}
