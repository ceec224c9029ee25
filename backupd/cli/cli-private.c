/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib.h>

#include "cli-client.h"
#include "cli-folder.h"
#include "cli-private.h"
#include "deadline.h"

#define PROGRAM "pullback-backupd"
#define START_MS 30000
#define STOP_MS 60000
#define LOOK_MS 20

/* Beside this program (the build tree), where it is installed, in PATH. */
static char *
find_program (void)
{
  g_autofree char *self = g_file_read_link ("/proc/self/exe", NULL);
  g_autofree char *folder = self == NULL ? NULL : g_path_get_dirname (self);
  char *path = NULL;

  if (folder != NULL)
    path = g_build_filename (folder, PROGRAM, NULL);
  if (path != NULL && access (path, X_OK) == 0)
    return path;
  g_free (path);
  path = g_build_filename (PULLBACK_SBINDIR, PROGRAM, NULL);
  if (access (path, X_OK) == 0)
    return path;
  g_free (path);
  return g_find_program_in_path (PROGRAM);
}

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

/* In the child.  Async-signal-safe calls only. */
static void
become_daemon (char *const argv[], const char *log, pid_t parent)
{
  sigset_t none;
  int in = open ("/dev/null", O_RDONLY);
  int out = open (log, O_WRONLY | O_CREAT | O_APPEND, 0600);

  /* Not in our process group: an interrupt at the terminal is for us, and we
   * tell the daemon when its turn has come. */
  setpgid (0, 0);
  prctl (PR_SET_PDEATHSIG, SIGTERM);
  sigemptyset (&none);
  sigprocmask (SIG_SETMASK, &none, NULL);
  if (in < 0 || out < 0 || getppid () != parent || dup2 (in, 0) < 0 ||
      dup2 (out, 1) < 0 || dup2 (out, 2) < 0)
    _exit (126);
  execv (argv[0], argv);
  _exit (127);
}

static int
spawn (struct cli_private *private_daemon, const char *program,
       const char *state, const char *scratch, struct failure *why)
{
  char *argv[10];
  pid_t parent = getpid ();
  size_t n = 0;

  argv[n++] = (char *) program;
  argv[n++] = (char *) "--runtime-dir";
  argv[n++] = private_daemon->runtime;
  argv[n++] = (char *) "--state-dir";
  argv[n++] = state != NULL ? (char *) state : private_daemon->work;
  if (scratch != NULL) {
    argv[n++] = (char *) "--scratch-dir";
    argv[n++] = (char *) scratch;
  }
  argv[n] = NULL;
  private_daemon->pid = fork ();
  if (private_daemon->pid == 0)
    become_daemon (argv, private_daemon->log, parent);
  if (private_daemon->pid > 0)
    return 0;
  private_daemon->pid = 0;
  return failure_set (why, FAILURE_GENERIC, errno, "cannot fork: %s",
                      g_strerror (errno));
}

bool
cli_private_ended (struct cli_private *private_daemon)
{
  if (private_daemon->pid == 0)
    return true;
  if (waitpid (private_daemon->pid, NULL, WNOHANG) == 0)
    return false;
  private_daemon->pid = 0;
  return true;
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

int
cli_private_start (const char *state, const char *scratch,
                   struct cli_private *private_daemon, struct failure *why)
{
  g_autofree char *program = find_program ();
  int r;

  memset (private_daemon, 0, sizeof *private_daemon);
  if (program == NULL)
    return failure_set (why, FAILURE_GENERIC, ENOENT,
                        PROGRAM " is neither beside pullback nor in PATH");
  r = cli_folder_create (runtime_parent (), &private_daemon->runtime, why);
  if (r == 0 && state == NULL)
    r = cli_folder_create (work_parent (), &private_daemon->work, why);
  if (r == 0) {
    private_daemon->socket =
      g_build_filename (private_daemon->runtime, "control.sock", NULL);
    private_daemon->log =
      g_build_filename (private_daemon->runtime, "daemon.log", NULL);
    r = spawn (private_daemon, program, state, scratch, why);
  }
  if (r == 0)
    r = wait_until_ready (private_daemon, why);
  if (r < 0)
    cli_private_stop (private_daemon);
  return r;
}

static void
end_process (struct cli_private *private_daemon)
{
  int64_t deadline = now_ms () + STOP_MS;

  if (private_daemon->pid > 0)
    kill (private_daemon->pid, SIGTERM);
  while (!cli_private_ended (private_daemon)) {
    if (ms_left (deadline) == 0)
      kill (private_daemon->pid, SIGKILL);
    (void) poll (NULL, 0, LOOK_MS);
  }
}

void
cli_private_stop (struct cli_private *private_daemon)
{
  end_process (private_daemon);
  if (private_daemon->runtime != NULL)
    cli_folder_remove (private_daemon->runtime);
  if (private_daemon->work != NULL)
    cli_folder_remove (private_daemon->work);
  g_free (private_daemon->runtime);
  g_free (private_daemon->work);
  g_free (private_daemon->socket);
  g_free (private_daemon->log);
  memset (private_daemon, 0, sizeof *private_daemon);
}
