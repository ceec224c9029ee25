/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <glib.h>

#include "cleanup.h"
#include "control-connection.h"
#include "control-server.h"
#include "log.h"

struct control_server {
  char *path;
  int listen_fd;                /* -1: shut */
  struct domain_registry *registry;
  pthread_mutex_t lock;         /* protects the rest */
  pthread_cond_t changed;       /* a connection has ended */
  int fds[CONTROL_CONNECTIONS_MAX];     /* -1: free */
  unsigned n;
};

/* For the thread of a connection. */
struct connection {
  struct control_server *server;
  unsigned slot;
  int fd;
};

/* --- the listening socket ------------------------------------------- */

static int
make_address (const char *path, struct sockaddr_un *address,
              struct failure *why)
{
  memset (address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  if (strlen (path) >= sizeof address->sun_path)
    return failure_set (why, FAILURE_BAD_ARGUMENT, ENAMETOOLONG,
                        "the path of the control socket is too long: %s",
                        path);
  memcpy (address->sun_path, path, strlen (path));
  return 0;
}

/* Refuses where somebody answers; removes a socket where nobody does. */
static int
claim_path (const char *path, const struct sockaddr_un *address,
            struct failure *why)
{
  CLEANUP_FD int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct stat st;

  if (lstat (path, &st) < 0)
    return errno == ENOENT ? 0
           : failure_set (why, FAILURE_STORAGE, errno,
                          "cannot look at the control socket %s: %s", path,
                          g_strerror (errno));
  if (!S_ISSOCK (st.st_mode))
    return failure_set (why, FAILURE_STORAGE, EEXIST,
                        "%s is in the way of the control socket: it is not a "
                        "socket", path);
  if (fd >= 0 &&
      connect (fd, (const struct sockaddr *) address, sizeof *address) == 0)
    return failure_set (why, FAILURE_BUSY, EADDRINUSE,
                        "another pullback-backupd is running: it answers at "
                        "%s", path);
  if (errno != ECONNREFUSED)
    return failure_set (why, FAILURE_STORAGE, errno,
                        "cannot tell whether another pullback-backupd is "
                        "running at %s: %s", path, g_strerror (errno));
  if (unlink (path) < 0)
    return failure_set (why, FAILURE_STORAGE, errno,
                        "cannot replace the old control socket %s: %s", path,
                        g_strerror (errno));
  return 0;
}

static int
listen_at (const char *path, int *listen_fd, struct failure *why)
{
  struct sockaddr_un address;
  CLEANUP_FD int fd = -1;
  mode_t mask;
  int r = make_address (path, &address, why);

  if (r == 0)
    r = claim_path (path, &address, why);
  if (r < 0)
    return r;
  fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  /* No other thread makes files yet: the mask is nobody else's trouble. */
  mask = umask (0177);
  if (fd < 0 || bind (fd, (struct sockaddr *) &address, sizeof address) < 0)
    r = -errno;
  umask (mask);
  if (r == 0 && listen (fd, CONTROL_CONNECTIONS_MAX) < 0)
    r = -errno;
  if (r < 0)
    return failure_set (why, FAILURE_STORAGE, -r,
                        "cannot listen at the control socket %s: %s", path,
                        g_strerror (-r));
  *listen_fd = TAKE_FD (fd);
  return 0;
}

int
control_server_open (const char *path, struct control_server **server,
                     struct failure *why)
{
  struct control_server *new;
  int fd = -1, i;
  int r = listen_at (path, &fd, why);

  if (r < 0)
    return r;
  new = g_new0 (struct control_server, 1);
  new->path = g_strdup (path);
  new->listen_fd = fd;
  pthread_mutex_init (&new->lock, NULL);
  pthread_cond_init (&new->changed, NULL);
  for (i = 0; i < CONTROL_CONNECTIONS_MAX; i++)
    new->fds[i] = -1;
  *server = new;
  return 0;
}

/* --- connections ---------------------------------------------------- */

/* The number of a free slot that now holds FD, or -1. */
static int
slot_take (struct control_server *server, int fd)
{
  int i, slot = -1;

  pthread_mutex_lock (&server->lock);
  for (i = 0; i < CONTROL_CONNECTIONS_MAX && slot < 0; i++)
    if (server->fds[i] < 0)
      slot = i;
  if (slot >= 0) {
    server->fds[slot] = fd;
    server->n++;
  }
  pthread_mutex_unlock (&server->lock);
  return slot;
}

/* Closes under the lock, so that control_server_close never shuts down a
 * descriptor that has become something else. */
static void
slot_free (struct control_server *server, unsigned slot)
{
  pthread_mutex_lock (&server->lock);
  close (server->fds[slot]);
  server->fds[slot] = -1;
  server->n--;
  pthread_cond_broadcast (&server->changed);
  pthread_mutex_unlock (&server->lock);
}

static void *
connection_main (void *opaque)
{
  struct connection *connection = opaque;
  struct failure why = { .error = 0 };

  if (control_connection_check (connection->fd, &why) < 0) {
    log_warning ("%s", why.text);
    control_connection_refuse (connection->fd, &why);
  }
  else
    control_connection_serve (connection->fd, connection->server->registry);
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
  r = pthread_create (&thread, &attributes, connection_main, connection);
  pthread_attr_destroy (&attributes);
  return -r;
}

static void
refuse (int fd, const char *sentence)
{
  struct failure why = { .error = 0 };

  failure_set (&why, FAILURE_BUSY, EMFILE, "%s", sentence);
  control_connection_refuse (fd, &why);
}

/* Takes FD over. */
static void
connection_start (struct control_server *server, int fd)
{
  struct connection *connection;
  int slot = slot_take (server, fd);

  if (slot < 0) {
    refuse (fd, "the daemon has too many control connections; close some or "
            "try again later");
    close (fd);
    return;
  }
  connection = g_new0 (struct connection, 1);
  connection->server = server;
  connection->slot = (unsigned) slot;
  connection->fd = fd;
  if (start_thread (connection) < 0) {
    refuse (fd, "the daemon cannot start another thread");
    slot_free (server, connection->slot);
    g_free (connection);
  }
}

void
control_server_run (struct control_server *server,
                    struct domain_registry *registry, int stop_fd)
{
  struct pollfd polled[2] = {
    { .fd = stop_fd, .events = POLLIN },
    { .fd = server->listen_fd, .events = POLLIN }
  };
  int fd;

  server->registry = registry;
  for (;;) {
    if (poll (polled, 2, -1) < 0 && errno != EINTR) {
      log_error ("poll: %s", g_strerror (errno));
      return;
    }
    if (polled[0].revents != 0)
      return;
    if (polled[1].revents == 0)
      continue;
    fd = accept4 (server->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
      connection_start (server, fd);
    else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
      /* The connection stays in the backlog; look again a little later. */
      log_warning ("cannot take a control connection: %s",
                   g_strerror (errno));
      (void) poll (polled, 1, 200);
    }
  }
}

void
control_server_shut (struct control_server *server)
{
  if (server->listen_fd < 0)
    return;
  unlink (server->path);
  close (server->listen_fd);
  server->listen_fd = -1;
}

void
control_server_close (struct control_server *server)
{
  int i;

  control_server_shut (server);
  pthread_mutex_lock (&server->lock);
  /* Replies that are being sent still go out; nothing more is read. */
  for (i = 0; i < CONTROL_CONNECTIONS_MAX; i++)
    if (server->fds[i] >= 0)
      shutdown (server->fds[i], SHUT_RD);
  while (server->n > 0)
    pthread_cond_wait (&server->changed, &server->lock);
  pthread_mutex_unlock (&server->lock);
  pthread_mutex_destroy (&server->lock);
  pthread_cond_destroy (&server->changed);
  g_free (server->path);
  g_free (server);
}
