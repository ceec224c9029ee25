/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A thread per connection: a request may take as long as a domain does, and what
 * one client waits for is nothing to another.  The number of threads is what is
 * limited, and an idle connection is the one that costs least to end. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <glib.h>

#include "cleanup.h"
#include "server-connection.h"
#include "server.h"
#include "deadline.h"
#include "log.h"
#include "metrics-count.h"
#include "socket.h"

/* One that is full waits so long for room, or for somebody to close ... */
#define LOOK_MS 200
/* ... and closes nobody who has asked for something since. */
#define IDLE_MIN_MS 5000
#define CLOSE_WAIT_MS 2000
/* Only what is used costs memory, but the kernel may count all of it. */
#define STACK_BYTES (1024 * 1024)

struct slot {
  int fd;                       /* -1: free */
  int64_t idle_since;           /* of now_ms (); INT64_MAX: it is not */
};

struct server {
  char *path;
  int listen_fd;                /* -1: shut */
  struct domain_registry *registry;
  unsigned most;                /* connections */
  bool is_short;                /* of descriptors, threads or memory */
  pthread_mutex_t lock;         /* protects the rest */
  pthread_cond_t changed;       /* a connection has ended */
  struct slot slots[SERVER_CONNECTIONS_MAX];    /* the first MOST */
  unsigned n;
};

/* For the thread of a connection. */
struct connection {
  struct server *server;
  unsigned slot;
  int fd;
};

/* --- the listening socket ------------------------------------------- */

static int
listen_at (const char *path, int *fd, struct failure *why)
{
  int r = socket_listen_unix (path, fd);

  switch (r) {
  case 0:
    return fcntl (*fd, F_SETFL, O_NONBLOCK);
  case -ENAMETOOLONG:
    return socket_path_failure ("the control socket", path, why);
  case -EEXIST:
    return failure_set (why, FAILURE_STORAGE, EEXIST,
                        "%s is in the way of the control socket: it is not a "
                        "socket", path);
  case -EPROTOTYPE:
    return failure_set (why, FAILURE_STORAGE, EPROTOTYPE,
                        "%s is in the way of the control socket: it is a "
                        "socket of another program", path);
  case -EADDRINUSE:
    return failure_set (why, FAILURE_BUSY, EADDRINUSE,
                        "another pullback-backupd is running: it answers at "
                        "%s", path);
  default:
    return failure_set (why, FAILURE_STORAGE, -r,
                        "cannot listen at the control socket %s: %s", path,
                        g_strerror (-r));
  }
}

static unsigned
most_connections (void)
{
  struct rlimit limit;

  if (getrlimit (RLIMIT_NOFILE, &limit) < 0 ||
      limit.rlim_cur / 4 >= SERVER_CONNECTIONS_MAX)
    return SERVER_CONNECTIONS_MAX;
  return MAX ((unsigned) limit.rlim_cur / 4, 4);
}

int
server_open (const char *path, struct server **server, struct failure *why)
{
  struct server *new;
  unsigned i;
  int fd = -1;
  int r = listen_at (path, &fd, why);

  if (r < 0)
    return r;
  new = g_new0 (struct server, 1);
  new->path = g_strdup (path);
  new->listen_fd = fd;
  pthread_mutex_init (&new->lock, NULL);
  pthread_cond_init (&new->changed, NULL);
  new->most = most_connections ();
  for (i = 0; i < SERVER_CONNECTIONS_MAX; i++)
    new->slots[i].fd = -1;
  *server = new;
  return 0;
}

/* --- connections ---------------------------------------------------- */

/* The number of a free slot that now holds FD, or -1. */
static int
slot_take (struct server *server, int fd)
{
  unsigned i;
  int slot = -1;

  pthread_mutex_lock (&server->lock);
  for (i = 0; i < server->most && slot < 0; i++)
    if (server->slots[i].fd < 0)
      slot = (int) i;
  if (slot >= 0) {
    server->slots[slot] = (struct slot) { .fd = fd, .idle_since = now_ms () };
    server->n++;
    metrics_count_clients (server->n);
  }
  pthread_mutex_unlock (&server->lock);
  return slot;
}

/* Closes under the lock, so that nobody shuts down a descriptor that has become
 * something else. */
static void
slot_free (struct server *server, unsigned slot)
{
  pthread_mutex_lock (&server->lock);
  close (server->slots[slot].fd);
  server->slots[slot].fd = -1;
  server->n--;
  metrics_count_clients (server->n);
  pthread_cond_broadcast (&server->changed);
  pthread_mutex_unlock (&server->lock);
}

static bool
is_full (struct server *server)
{
  bool full;

  pthread_mutex_lock (&server->lock);
  full = server->n == server->most;
  pthread_mutex_unlock (&server->lock);
  return full;
}

static void
on_idle (void *opaque, bool is_idle)
{
  struct connection *connection = opaque;
  struct server *server = connection->server;

  pthread_mutex_lock (&server->lock);
  server->slots[connection->slot].idle_since = is_idle ? now_ms () : INT64_MAX;
  pthread_mutex_unlock (&server->lock);
}

/* For pthread_cond_clockwait. */
static struct timespec
clock_time (int64_t ms)
{
  return (struct timespec) { .tv_sec = ms / 1000,
                             .tv_nsec = ms % 1000 * 1000000 };
}

/* Makes room for the next one that waits, and returns when there is, or as soon
 * as it makes sense to try again: many may wait, and each has to wait for those
 * before it. */
static void
end_longest_idle (struct server *server)
{
  const struct timespec until = clock_time (now_ms () + LOOK_MS);
  struct slot *oldest = NULL;
  unsigned i;
  int r = 0;

  pthread_mutex_lock (&server->lock);
  for (i = 0; i < server->most; i++)
    if (server->slots[i].fd >= 0 &&
        (oldest == NULL || server->slots[i].idle_since < oldest->idle_since))
      oldest = &server->slots[i];
  if (oldest != NULL && oldest->idle_since < now_ms () - IDLE_MIN_MS) {
    log_warning ("others wait: closing a control connection that has been "
                 "idle for %lld s",
                 (long long) (now_ms () - oldest->idle_since) / 1000);
    oldest->idle_since = INT64_MAX;
    shutdown (oldest->fd, SHUT_RDWR);
  }
  while (server->n == server->most && r == 0)
    r = pthread_cond_clockwait (&server->changed, &server->lock,
                                CLOCK_MONOTONIC, &until);
  pthread_mutex_unlock (&server->lock);
}

static void *
connection_main (void *opaque)
{
  struct connection *connection = opaque;
  struct failure why = { .error = 0 };

  if (server_connection_check (connection->fd, &why) < 0) {
    log_warning ("%s", why.text);
    server_connection_refuse (connection->fd, &why);
  }
  else
    server_connection_serve (connection->fd, connection->server->registry,
                             on_idle, connection);
  slot_free (connection->server, connection->slot);
  g_free (connection);
  return NULL;
}

static int
start_thread (struct connection *connection)
{
  pthread_attr_t attributes;
  pthread_t thread;
  int r;

  pthread_attr_init (&attributes);
  pthread_attr_setdetachstate (&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize (&attributes, STACK_BYTES);
  r = pthread_create (&thread, &attributes, connection_main, connection);
  pthread_attr_destroy (&attributes);
  return -r;
}

/* Takes FD over.  -errno: no thread for it now; FD is the caller's. */
static int
connection_start (struct server *server, int fd)
{
  struct connection *connection;
  int slot = slot_take (server, fd), r;

  if (slot < 0)
    return -EAGAIN;
  connection = g_new0 (struct connection, 1);
  connection->server = server;
  connection->slot = (unsigned) slot;
  connection->fd = fd;
  r = start_thread (connection);
  if (r < 0) {
    pthread_mutex_lock (&server->lock);
    server->slots[slot].fd = -1;
    server->n--;
    metrics_count_clients (server->n);
    pthread_mutex_unlock (&server->lock);
    g_free (connection);
  }
  return r;
}

/* Takes the next one from the queue, if there is what it needs; else it goes on
 * waiting, here or there.  *FD: taken, but without a thread; -1: none. */
static void
take_next (struct server *server, int *fd)
{
  int r = 0;

  if (*fd < 0)
    *fd = accept4 (server->listen_fd, NULL, NULL, SOCK_CLOEXEC);
  if (*fd < 0)
    r = errno == EMFILE || errno == ENFILE || errno == ENOMEM ? -errno : 0;
  else {
    r = connection_start (server, *fd);
    if (r == 0)
      *fd = -1;
  }
  if (r < 0 && !server->is_short)
    log_warning ("control connections have to wait: %s", g_strerror (-r));
  server->is_short = r < 0;
  if (r < 0)
    g_usleep (LOOK_MS * 1000);
}

void
server_run (struct server *server, struct domain_registry *registry,
            int stop_fd, int alive_ms, void (*alive) (void))
{
  int64_t next = alive_ms < 0 ? INT64_MAX : now_ms ();
  int fd = -1;

  server->registry = registry;
  for (;;) {
    bool full = is_full (server);
    struct pollfd polled[2] = {
      { .fd = stop_fd, .events = POLLIN },
      { .fd = server->listen_fd, .events = POLLIN }
    };
    int n;

    if (now_ms () >= next) {
      alive ();
      next = now_ms () + alive_ms;
    }
    n = poll (polled, 2, fd >= 0 ? 0 : alive_ms < 0 ? -1 : ms_left (next));

    if (n < 0 && errno != EINTR) {
      log_error ("poll: %s", g_strerror (errno));
      break;
    }
    if (polled[0].revents != 0)
      break;
    if (full && polled[1].revents != 0)
      end_longest_idle (server);
    else if (polled[1].revents != 0 || fd >= 0)
      take_next (server, &fd);
  }
  if (fd >= 0)
    close (fd);
}

void
server_shut (struct server *server)
{
  if (server->listen_fd < 0)
    return;
  unlink (server->path);
  close (server->listen_fd);
  server->listen_fd = -1;
}

static void
shut_all_locked (struct server *server, int how)
{
  unsigned i;

  for (i = 0; i < server->most; i++)
    if (server->slots[i].fd >= 0)
      shutdown (server->slots[i].fd, how);
}

void
server_close (struct server *server)
{
  const struct timespec until = clock_time (now_ms () + CLOSE_WAIT_MS);

  server_shut (server);
  pthread_mutex_lock (&server->lock);
  /* Replies that are being sent still go out; nothing more is read. */
  shut_all_locked (server, SHUT_RD);
  while (server->n > 0 &&
         pthread_cond_clockwait (&server->changed, &server->lock,
                                 CLOCK_MONOTONIC, &until) == 0)
    ;
  shut_all_locked (server, SHUT_RDWR);
  while (server->n > 0)
    pthread_cond_wait (&server->changed, &server->lock);
  pthread_mutex_unlock (&server->lock);
  pthread_mutex_destroy (&server->lock);
  pthread_cond_destroy (&server->changed);
  g_free (server->path);
  g_free (server);
}
