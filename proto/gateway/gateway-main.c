/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One thread accepts, and makes room first: a connection that waits in the
 * kernel's queue costs nothing, one that is accepted to be refused costs a
 * thread.  Signals come as a descriptor to the same poll, so that nothing runs
 * in a handler. */
#include <config.h>

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include "gateway-activity.h"
#include "gateway-confine.h"
#include "gateway-connection.h"
#include "gateway-listen.h"
#include "gateway-options.h"
#include "log.h"

#define EXHAUSTED_PAUSE_MS 100

/* SIGTERM and SIGINT arrive at a descriptor; threads inherit the mask. */
static int
open_signals (struct failure *why)
{
  sigset_t set;
  int fd;

  signal (SIGPIPE, SIG_IGN);
  sigemptyset (&set);
  sigaddset (&set, SIGTERM);
  sigaddset (&set, SIGINT);
  pthread_sigmask (SIG_BLOCK, &set, NULL);
  fd = signalfd (-1, &set, SFD_CLOEXEC);
  if (fd < 0)
    return failure_set (why, FAILURE_GENERIC, errno,
                        "cannot watch for signals: %s", strerror (errno));
  return fd;
}

/* A connection has up to six descriptors, and there are those of the status
 * pool; the usual soft limit of 1024 is too small for all of them. */
static void
raise_file_limit (void)
{
  struct rlimit limit;

  if (getrlimit (RLIMIT_NOFILE, &limit) == 0 &&
      limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max < 65536 ? limit.rlim_max : 65536;
    setrlimit (RLIMIT_NOFILE, &limit);
  }
}

static int
open_listeners (const struct gateway_options *options,
                struct listeners *listeners, struct failure *why)
{
  int r = gateway_listen_inherited (listeners, why);
  unsigned i;

  if (r == 0 && listeners->count > 0 && options->unix_paths.n + options->tcp_addresses.n > 0)
    r = failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "--unix and --tcp "
                     "cannot be combined with LISTEN_FDS; give one of them");
  if (r == 0 && listeners->count + options->unix_paths.n + options->tcp_addresses.n == 0)
    r = failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "nothing to listen "
                     "on: give --unix PATH or --tcp [ADDRESS:]PORT");
  for (i = 0; r == 0 && i < options->unix_paths.n; i++)
    r = gateway_listen_unix (listeners, options->unix_paths.items[i], why);
  for (i = 0; r == 0 && i < options->tcp_addresses.n; i++)
    r = gateway_listen_tcp (listeners, options->tcp_addresses.items[i], why);
  return r;
}

/* Another user could not remove sockets at the end. */
static int
confine (const struct gateway_options *options, struct routes *routes,
         struct failure *why)
{
  const struct gateway_confine how = {
    .user = options->user,
    .unlinks = options->unix_paths.n > 0
  };

  if (options->user != NULL && options->unix_paths.n > 0)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "--user cannot be "
                        "combined with --unix; give --tcp, or a socket by "
                        "LISTEN_FDS");
  return gateway_confine (&how, routes, why);
}

/* Returns true if the machine has run out of something and a pause helps. */
static bool
accept_client (struct connections *connections, int listener)
{
  static bool told;
  int fd, r;

  if (!gateway_connections_make_room (connections))
    return false;
  fd = accept4 (listener, NULL, NULL, SOCK_CLOEXEC);
  if (fd < 0)
    return errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
           errno == ENOMEM;
  r = gateway_connections_add (connections, fd);
  if (r == 0)
    told = false;
  else if (!told) {
    /* Once per flood, not per client. */
    told = true;
    if (r == -EBUSY)
      log_warning ("more than %d connections, and all are busy; refusing new "
                   "ones", CONNECTIONS_MAX);
    else if (r == -EDQUOT)
      log_warning ("a client has %d busy connections; refusing more of it",
                   CONNECTIONS_PEER_MAX);
    else
      log_warning ("cannot serve a new connection: %s", strerror (-r));
  }
  return false;
}

/* Accepts until a signal comes. */
static int
serve (const struct listeners *listeners, struct connections *connections,
       int signals, struct failure *why)
{
  CLEANUP_FREE struct pollfd *pfds = calloc (listeners->count + 1,
                                             sizeof *pfds);
  size_t i;

  if (pfds == NULL)
    return failure_set (why, FAILURE_GENERIC, ENOMEM, "out of memory");
  pfds[0] = (struct pollfd) { .fd = signals, .events = POLLIN };
  for (i = 0; i < listeners->count; i++)
    pfds[i + 1] = (struct pollfd) { .fd = listeners->items[i].fd,
                                    .events = POLLIN };
  for (;;) {
    bool exhausted = false;

    if (poll (pfds, listeners->count + 1, -1) < 0 && errno != EINTR)
      return failure_set (why, FAILURE_GENERIC, errno,
                          "cannot wait for clients: %s", strerror (errno));
    if (pfds[0].revents != 0)
      return 0;
    for (i = 1; i <= listeners->count; i++)
      if (pfds[i].revents != 0)
        exhausted |= accept_client (connections, pfds[i].fd);
    if (exhausted)
      poll (pfds, 1, EXHAUSTED_PAUSE_MS);
  }
}

static int
run (const struct gateway_options *options, struct failure *why)
{
  static struct connections connections;
  const struct routes_folders folders = { options->served, options->maps,
                                          options->written };
  struct routes routes = { 0 };
  struct listeners listeners = { 0 };
  CLEANUP_FD int signals = -1;
  int r;

  r = gateway_routes_load (options->routes, &folders, &routes, why);
  if (r < 0)
    return r;
  routes.consume = options->consume;
  if (options->memory != NULL) {
    routes.memory = strdup (options->memory);
    if (routes.memory == NULL)
      r = failure_set (why, FAILURE_GENERIC, ENOMEM, "out of memory");
  }
  if (r == 0 && options->activity != NULL)
    r = gateway_activity_open (options->activity, why);
  if (r == 0)
    r = signals = open_signals (why);
  if (r >= 0)
    r = open_listeners (options, &listeners, why);
  raise_file_limit ();
  if (r == 0)
    r = confine (options, &routes, why);
  if (r == 0) {
    gateway_connections_create (&connections, &routes, options->send_limit);
    r = serve (&listeners, &connections, signals, why);
  }
  gateway_listen_close (&listeners);
  /* A thread that did not end in time still uses the routes. */
  if (connections.routes == NULL || gateway_connections_cut (&connections) == 0)
    gateway_routes_free (&routes);
  return r;
}

int
main (int argc, char **argv)
{
  struct gateway_options options = { 0 };
  struct failure why = { .error = 0 };
  int r;

  log_open ("pullback-gateway", LOG_LEVEL_INFO);
  r = gateway_options_parse (argc, argv, &options, &why);
  if (r == 0) {
    if (options.verbose)
      log_open ("pullback-gateway", LOG_LEVEL_DEBUG);
    /* Many threads, little memory: they can share. */
    mallopt (M_ARENA_MAX, 2);
    r = run (&options, &why);
  }
  gateway_options_free (&options);
  if (r < 0)
    log_error ("%s", why.text);
  return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
