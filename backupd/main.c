/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pullback-backupd: puts the parts together, in this order: folders, the locks
 * on the state and the runtime folder (two daemons would undo each other's
 * backups and replace each other's sockets), the children's watcher, the control
 * socket, the domains; and ends them in the opposite order. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>

#include "control-events.h"
#include "server-events.h"
#include "server.h"
#include "domain-registry.h"
#include "domain-restore.h"
#include "domain-watch.h"
#include "domain.h"
#include "failure.h"
#include "file.h"
#include "full-io.h"
#include "log.h"
#include "metrics-count.h"
#include "metrics-file.h"
#include "metrics-http.h"
#include "options.h"
#include "process-child.h"
#include "process-self.h"
#include "restore-errand.h"
#include "restore-target-errand.h"
#include "restore.h"
#include "stop-clock.h"
#include "systemd.h"
#include "user.h"
#ifdef ENABLE_STOP_AFTER
# include "step-groups.h"
#endif

/* Written to by the signal handler, read by the accept loop.  A handler, not
 * a blocked signal: children inherit blocked signals. */
static int stop_fd = -1;

/* By SIGTERM, as at a restart: backups go on.  If a SIGINT came too, they end. */
static volatile sig_atomic_t stop_ends;

/* A backup could not be ended. */
#define STATUS_LEFT 3
#define UUID_SIZE 37

static void
on_stop_signal (int number)
{
  int saved = errno;
  uint64_t one = 1;

  if (number == SIGINT)
    stop_ends = 1;
  if (write (stop_fd, &one, sizeof one) < 0)
    _exit (1);
  errno = saved;
}

static int
signals_open (struct failure *why)
{
  struct sigaction action = { .sa_handler = on_stop_signal,
                              .sa_flags = SA_RESTART };
  struct sigaction ignore = { .sa_handler = SIG_IGN };

  stop_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (stop_fd < 0)
    return failure_set (why, FAILURE_GENERIC, errno, "eventfd: %s",
                        g_strerror (errno));
  sigemptyset (&action.sa_mask);
  sigaction (SIGTERM, &action, NULL);
  sigaction (SIGINT, &action, NULL);
  sigaction (SIGPIPE, &ignore, NULL);
  return 0;
}

static int
make_folder (const char *what, const char *path, mode_t mode,
             struct failure *why)
{
  int r = file_make_folder (path, mode);

  if (r < 0)
    return failure_set (why, FAILURE_STORAGE, -r,
                        "cannot create the %s folder %s: %s", what, path,
                        g_strerror (-r));
  if (access (path, W_OK | X_OK) < 0)
    return failure_set (why, FAILURE_STORAGE, errno,
                        "the %s folder %s is not usable: %s", what, path,
                        g_strerror (errno));
  return 0;
}

static int
make_folders (const struct options *options, struct failure *why)
{
  /* QEMU's user passes through the runtime folder. */
  int r = make_folder ("runtime", options->runtime_dir, 0755, why);

  if (r == 0)
    r = make_folder ("state", options->state_dir, 0700, why);
  if (r == 0 && options->scratch_is_default)
    r = make_folder ("scratch", options->scratch_dir, 0700, why);
  return r;
}

/* Returns the descriptor that holds the lock of PATH, a file or a folder.  The
 * lock ends with the process.  FOLDER, the WHAT folder, is for sentences. */
static int
lock (const char *path, int flags, const char *what, const char *folder,
      struct failure *why)
{
  int fd = open (path, flags | O_CLOEXEC, 0600);

  if (fd < 0)
    return failure_set (why, FAILURE_STORAGE, errno, "cannot open %s: %s",
                        path, g_strerror (errno));
  if (flock (fd, LOCK_EX | LOCK_NB) == 0)
    return fd;
  failure_set (why, FAILURE_BUSY, errno, errno == EWOULDBLOCK
               ? "another pullback-backupd is running: it uses the %s folder %s"
               : "cannot lock the %s folder %s", what, folder);
  close (fd);
  return -EBUSY;
}

/* The two may be one folder, so the locks are of two kinds. */
static int
lock_state (const char *folder, struct failure *why)
{
  g_autofree char *path = g_build_filename (folder, ".lock", NULL);

  return lock (path, O_RDWR | O_CREAT, "state", folder, why);
}

static int
lock_runtime (const char *folder, struct failure *why)
{
  return lock (folder, O_RDONLY | O_DIRECTORY, "runtime", folder, why);
}

/* What tells this state folder from all others is in its lock file, made when
 * it is used for the first time. */
static int
read_identity (int fd, const char *folder, char *identity, size_t size,
               struct failure *why)
{
  g_autofree char *new = g_uuid_string_random ();
  ssize_t n = pread (fd, identity, size - 1, 0);
  int r = n < 0 ? -errno : 0;

  identity[n < 0 ? 0 : n] = '\0';
  if (r == 0 && !g_uuid_string_is_valid (identity)) {
    g_strlcpy (identity, new, size);
    r = full_pwrite (fd, identity, strlen (identity), 0);
    if (r == 0 && fsync (fd) < 0)
      r = -errno;
  }
  return r == 0 ? 0 : failure_set (why, FAILURE_STORAGE, -r,
                                   "the state folder %s cannot be used: %s",
                                   folder, g_strerror (-r));
}

/* Somebody hangs where there is no deadline.  The journals are there: it is as
 * good as any end of the daemon. */
static void
on_alarm (int number)
{
  static const char text[] =
    "pullback-backupd: error: something hangs and is left to the next daemon\n";
  struct pollfd polled = { .fd = STDERR_FILENO, .events = POLLOUT };

  if (poll (&polled, 1, 0) > 0 &&
      write (STDERR_FILENO, text, sizeof text - 1) < 0)
    _exit (STATUS_LEFT);
  _exit (STATUS_LEFT);
}

static void
start_stopping (void)
{
  struct sigaction action = { .sa_handler = on_alarm };

  log_info ("stopping");
  stop_clock_start ();
  sigemptyset (&action.sa_mask);
  sigaction (SIGALRM, &action, NULL);
  alarm (STOP_CLOCK_LEAVE_S);
}

/* Where the usual one does not exist gateways are who we are: without capabilities
 * all the same. */
static int
find_gateway_user (const struct options *options, struct backup_user *user,
                   struct failure *why)
{
  const char *given = options->gateway_user;
  int r;

  *user = (struct backup_user) { .uid = geteuid (), .gid = getegid () };
  if (geteuid () != 0)
    return given == NULL ? 0
           : failure_set (why, FAILURE_BAD_ARGUMENT, EPERM, "--gateway-user "
                          "%s needs a daemon that is started by root", given);
  user->name = given != NULL ? given : OPTIONS_GATEWAY_USER;
  r = user_find (user->name, &user->uid, &user->gid);
  if (r == 0)
    return 0;
  if (given != NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, -r, "there is no user %s: "
                        "create it, or choose another --gateway-user", given);
  user->name = NULL;
  return 0;
}

/* The loop of the control socket does; so must what starts sinks again. */
static void
say_alive (void)
{
  if (process_child_watcher_lives ())
    systemd_alive ();
}

static void
on_event (const char *event, json_object *data)
{
  control_event_log (event, data);
  metrics_count_event (event, data);
  metrics_file_changed ();
  server_events_emit (event, data);
}

/* No backup ends for want of metrics. */
static void
start_metrics (const struct options *options, struct domain_registry *registry)
{
  struct failure why = { .error = 0 };

  if (metrics_http_start (registry, &why) < 0)
    log_error ("%s", why.text);
  why.error = 0;
  if (options->metrics_file != NULL &&
      metrics_file_start (options->metrics_file, registry, &why) < 0)
    log_error ("%s", why.text);
}

/* Nor for want of news. */
static void
start_watch (struct domain_registry *registry)
{
  struct failure why = { .error = 0 };

  if (domain_watch_start (registry, &why) < 0)
    log_error ("%s", why.text);
}

/* Until it is asked to stop.  How many domains have something left. */
static unsigned
serve_until_stopped (const struct options *options,
                     const struct domain_folders *folders,
                     struct server *server, struct domain_registry *registry)
{
  unsigned left;

  if (folders->gateway.name == NULL && geteuid () == 0)
    log_info ("there is no user " OPTIONS_GATEWAY_USER ": NBD servers run as "
              "root without privileges");
  start_metrics (options, registry);
  start_watch (registry);
  domain_restore_use (registry);
  restore_open_machines ();
  log_info ("ready: version %s, control socket %s", PACKAGE_VERSION,
            options->socket);
  systemd_ready ();
  server_run (server, registry, stop_fd, systemd_alive_ms (), say_alive);
  systemd_stopping ();
  start_stopping ();
  metrics_http_stop ();
  domain_watch_stop ();
  server_shut (server);
  restore_close_machines ();
  left = domain_registry_stop (registry, stop_ends == 0);
  metrics_file_stop ();
  return left;
}

static void
note_restores (const struct options *options, const char *identity,
               const struct backup_user *gateway,
               struct restore_settings *settings)
{
  *settings = (struct restore_settings) {
    .runtime = options->runtime_dir, .state = options->state_dir,
    .identity = identity,
    .gateway_user = gateway->name, .gateway_uid = gateway->uid,
    .gateway_gid = gateway->gid, .folders = options->restore_folders,
    .event = on_event, .ask = domain_restore_ask
  };
}

/* 0, or STATUS_LEFT. */
static int
serve (const struct options *options, const char *identity,
       struct failure *why)
{
  struct domain_folders folders = {
    .runtime = options->runtime_dir,
    .state = options->state_dir,
    .scratch = options->scratch_dir,
    .identity = identity,
    .default_ttl = options->default_ttl,
    .default_idle_timeout = options->default_idle_timeout,
    .scratch_limit = options->scratch_limit,
    .sink_limit_ms = options->sink_limit_ms,
    .sink_wait = options->sink_wait,
    .max_rate = options->max_rate,
    .pace_floor = options->pace_floor
  };
  struct restore_settings restores;
  struct server *server = NULL;
  struct domain_registry *registry;
  unsigned left;
  int r = find_gateway_user (options, &folders.gateway, why);

  /* What can be refused is so before any domain is touched, and before anybody can
   * take this daemon for one that serves. */
  metrics_count_start ();
  domain_set_event_handler (on_event);
  if (r == 0 && options->metrics_listen != NULL)
    r = metrics_http_open (options->metrics_listen, why);
  if (r == 0)
    r = server_open (options->socket, &server, why);
  note_restores (options, identity, &folders.gateway, &restores);
  if (r == 0)
    r = restore_open (&restores, why);
  if (r == 0)
    r = domain_registry_open (&folders, &registry, why);
  if (r < 0) {
    restore_close (true);
    metrics_http_stop ();
    if (server != NULL)
      server_close (server);
    return r;
  }
  left = serve_until_stopped (options, &folders, server, registry);
  server_close (server);
  restore_close (stop_ends == 0);
  domain_restore_use (NULL);
  domain_registry_close (registry);
  if (left > 0)
    log_error ("%u backup%s could not be ended and %s left to the next daemon",
               left, left == 1 ? "" : "s", left == 1 ? "is" : "are");
  return left > 0 ? STATUS_LEFT : 0;
}

static int
run (const struct options *options, struct failure *why)
{
  CLEANUP_FD int state_fd = -1;
  CLEANUP_FD int runtime_fd = -1;
  char identity[UUID_SIZE];
  int r = make_folders (options, why);

  if (r < 0)
    return r;
  state_fd = lock_state (options->state_dir, why);
  if (state_fd < 0)
    return state_fd;
  runtime_fd = lock_runtime (options->runtime_dir, why);
  if (runtime_fd < 0)
    return runtime_fd;
  r = read_identity (state_fd, options->state_dir, identity, sizeof identity,
                     why);
  if (r == 0)
    r = signals_open (why);
  if (r == 0) {
    r = process_child_watcher_start ();
    if (r < 0)
      failure_set (why, FAILURE_GENERIC, -r,
                   "cannot start the watcher of child processes: %s",
                   g_strerror (-r));
  }
  if (r == 0) {
    if (options->systemd_scopes)
      systemd_scopes_start ();
    r = serve (options, identity, why);
    process_child_watcher_stop ();
    systemd_scopes_stop ();
  }
  return r;
}

int
main (int argc, char *argv[])
{
  struct options options = { .verbose = false };
  struct failure why = { .error = 0 };
  int r;

  if (restore_errand_is_one (argv))
    return restore_target_errand_main (argv);
  log_open ("pullback-backupd", LOG_LEVEL_INFO);
#ifdef ENABLE_STOP_AFTER
  if (argc == 2 && strcmp (argv[1], "--list-steps") == 0) {
    step_groups_print ();
    return 0;
  }
#endif
  r = options_parse (argc, argv, &options, &why);
  if (r < 0) {
    log_error ("%s", why.text);
    return 2;
  }
  if (r > 0)
    return 0;
  if (options.verbose)
    log_open ("pullback-backupd", LOG_LEVEL_DEBUG);
  /* The watcher that starts a killed sink again writes messages, too. */
  log_never_wait ();
  log_to_journal (LOG_JOURNAL_SOCKET);
  r = process_self_prepare (&why);
  if (r == 0)
    r = run (&options, &why);
  if (r < 0)
    log_error ("%s", why.text);
  options_clear (&options);
  return r < 0 ? 1 : r;
}
