/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A run uses the daemon as everybody does, over its socket, so that there is
 * one way only to make a backup.  Sockets are where paths are short, old data
 * where there is room; that is seldom the same place. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "cli-client.h"
#include "cli-folder.h"
#include "cli-leftover.h"
#include "cli-private.h"
#include "deadline.h"
#include "process-self.h"

#define PROGRAM "pullback-backupd"
#define START_MS 30000
#define STOP_MS 60000
#define LOOK_MS 20

/* Where sockets can be: short paths, on no network file system. */
static const char *
runtime_parent (void)
{
  const char *folder = g_getenv ("XDG_RUNTIME_DIR");

  if (folder != NULL && folder[0] == '/' && access (folder, W_OK) == 0)
    return folder;
  return access ("/run", W_OK) == 0 ? "/run" : "/tmp";
}

/* Where there is room: not a file system in memory. */
static const char *
work_parent (void)
{
  const char *folder = g_getenv ("TMPDIR");

  return folder != NULL && folder[0] == '/' ? folder : "/var/tmp";
}

static int
spawn (struct cli_private *private_daemon, const char *program,
       struct failure *why)
{
  CLEANUP_FD int log = open (private_daemon->log, O_WRONLY | O_CREAT |
                             O_APPEND | O_CLOEXEC, 0600);
  char *argv[10];
  size_t n = 0;
  int r = log < 0 ? -errno : 0;

  argv[n++] = (char *) program;
  argv[n++] = (char *) "--runtime-dir";
  argv[n++] = private_daemon->runtime;
  argv[n++] = (char *) "--state-dir";
  argv[n++] = private_daemon->state;
  if (private_daemon->scratch != NULL) {
    argv[n++] = (char *) "--scratch-dir";
    argv[n++] = private_daemon->scratch;
  }
  argv[n] = NULL;
  /* Not in our process group: an interrupt at the terminal is for us, and we
   * tell the daemon when its turn has come. */
  if (r == 0)
    r = process_spawn (&(struct process_spec) {
                         .program = program, .argv = argv,
                         .descriptors = (int[]) { PROCESS_NULL, log, log,
                                                  private_daemon->lock_fd },
                         .n_descriptors = 4, .death_signal = SIGINT },
                       &private_daemon->process);
  if (r == 0)
    return 0;
  private_daemon->process.pid = 0;
  return failure_set (why, FAILURE_GENERIC, -r, "the private " PROGRAM
                      " cannot be started: %s", g_strerror (-r));
}

bool
cli_private_ended (struct cli_private *private_daemon)
{
  return private_daemon->process.pid == 0 ||
         process_wait (&private_daemon->process, 0, NULL) != -ETIMEDOUT;
}

/* The last line that the daemon wrote, as our sentence. */
static int
say_last_words (const struct cli_private *private_daemon, struct failure *why)
{
  g_autofree char *text = NULL;
  const char *line = "", *error;

  if (g_file_get_contents (private_daemon->log, &text, NULL, NULL)) {
    g_strchomp (text);
    line = strrchr (text, '\n') == NULL ? text : strrchr (text, '\n') + 1;
  }
  error = strstr (line, "error: ");
  return failure_set (why, FAILURE_GENERIC, ECHILD, "%s",
                      error != NULL ? error + strlen ("error: ")
                      : line[0] != '\0' ? line
                      : "the private " PROGRAM " cannot be started");
}

static int
wait_until_ready (struct cli_private *private_daemon, struct failure *why)
{
  int64_t deadline = now_ms () + START_MS;

  for (;;) {
    struct failure fault = { .error = 0 };
    struct cli_client *client = NULL;

    if (cli_client_open (private_daemon->socket, &client, &fault) == 0) {
      cli_client_close (client);
      return 0;
    }
    if (cli_private_ended (private_daemon))
      return say_last_words (private_daemon, why);
    if (ms_left (deadline) == 0)
      return failure_set (why, FAILURE_TIMEOUT, ETIMEDOUT,
                          "the private " PROGRAM " does not answer: %s",
                          fault.text);
    (void) poll (NULL, 0, LOOK_MS);
  }
}

/* Starts a daemon in folders that are there. */
static int
start_daemon (struct cli_private *private_daemon, struct failure *why)
{
  g_autofree char *program = process_self_program (PROGRAM, PULLBACK_SBINDIR);
  int r;

  if (program == NULL)
    return failure_set (why, FAILURE_GENERIC, ENOENT,
                        PROGRAM " is neither beside pullback nor in PATH");
  g_free (private_daemon->socket);
  g_free (private_daemon->log);
  private_daemon->socket =
    g_build_filename (private_daemon->runtime, "control.sock", NULL);
  private_daemon->log =
    g_build_filename (private_daemon->runtime, "daemon.log", NULL);
  r = spawn (private_daemon, program, why);
  if (r == 0)
    r = wait_until_ready (private_daemon, why);
  if (r == 0)
    private_daemon->used = true;
  return r;
}

int
cli_private_restart (struct cli_private *private_daemon, struct failure *why)
{
  return start_daemon (private_daemon, why);
}

/* Undoes and removes what killed runs have left in PARENT. */
static void
tidy (const char *parent)
{
  GDir *folder = g_dir_open (parent, 0, NULL);
  const char *name;

  while (folder != NULL && (name = g_dir_read_name (folder)) != NULL) {
    g_autofree char *path = g_build_filename (parent, name, NULL);
    struct cli_private run;

    if (g_str_has_prefix (name, CLI_FOLDER_PREFIX) &&
        cli_leftover_take (path, &run))
      cli_private_stop (&run);
  }
  if (folder != NULL)
    g_dir_close (folder);
}

int
cli_private_start (const char *state, const char *scratch,
                   struct cli_private *private_daemon, struct failure *why)
{
  int r;

  tidy (runtime_parent ());
  memset (private_daemon, 0, sizeof *private_daemon);
  private_daemon->lock_fd = -1;
  r = cli_folder_create (runtime_parent (), &private_daemon->runtime, why);
  if (r == 0)
    r = cli_leftover_lock (private_daemon, why);
  if (r == 0 && state == NULL)
    r = cli_folder_create (work_parent (), &private_daemon->work, why);
  if (r == 0 && scratch != NULL)
    r = cli_folder_create (scratch, &private_daemon->scratch, why);
  if (r == 0) {
    private_daemon->state = state != NULL ? g_canonicalize_filename (state, NULL)
                                          : g_strdup (private_daemon->work);
    r = cli_leftover_note (private_daemon, why);
  }
  if (r == 0)
    r = start_daemon (private_daemon, why);
  if (r < 0)
    cli_private_stop (private_daemon);
  return r;
}

static void
end_process (struct cli_private *private_daemon)
{
  int64_t deadline = now_ms () + STOP_MS;

  if (private_daemon->process.pid > 0)
    kill (private_daemon->process.pid, SIGINT);
  while (!cli_private_ended (private_daemon)) {
    if (ms_left (deadline) == 0)
      kill (private_daemon->process.pid, SIGKILL);
    (void) poll (NULL, 0, LOOK_MS);
  }
}

/* Do these folders hold what must be undone? */
static bool
holds_backup (const struct cli_private *private_daemon)
{
  static const char *const journals[] = { "job.json", "quiesce.json" };
  size_t i;

  if (!private_daemon->used)
    return false;
  for (i = 0; i < G_N_ELEMENTS (journals); i++) {
    g_autofree char *path =
      g_build_filename (private_daemon->state, CLI_PRIVATE_DOMAIN, journals[i],
                        NULL);

    if (access (path, F_OK) == 0)
      return true;
  }
  return false;
}

static void
remove_folders (struct cli_private *private_daemon)
{
  if (private_daemon->work != NULL)
    cli_folder_remove (private_daemon->work);
  if (private_daemon->scratch != NULL)
    cli_folder_remove (private_daemon->scratch);
  /* Last what tells of the others. */
  if (private_daemon->runtime != NULL)
    cli_folder_remove (private_daemon->runtime);
}

void
cli_private_stop (struct cli_private *private_daemon)
{
  struct failure ignored = { .error = 0 };

  /* Guest writes may wait for what a daemon that died has left: the next one
   * takes it over, and ends it. */
  if (cli_private_ended (private_daemon) && holds_backup (private_daemon) &&
      start_daemon (private_daemon, &ignored) < 0)
    fprintf (stderr, "pullback: warning: %s\n", ignored.text);
  end_process (private_daemon);
  if (holds_backup (private_daemon))
    fprintf (stderr, "pullback: warning: what is left of a backup could not be "
             "undone yet and is kept in %s and %s: the next pullback run tries "
             "again\n", private_daemon->runtime, private_daemon->state);
  else
    remove_folders (private_daemon);
  if (private_daemon->lock_fd >= 0)
    close (private_daemon->lock_fd);
  g_free (private_daemon->state);
  g_free (private_daemon->runtime);
  g_free (private_daemon->work);
  g_free (private_daemon->scratch);
  g_free (private_daemon->socket);
  g_free (private_daemon->log);
  memset (private_daemon, 0, sizeof *private_daemon);
}
