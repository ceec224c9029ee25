/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A peer that hangs or lies must not hold the daemon's thread: all is
 * asynchronous, each connection with a deadline.  Several at once, as most of the
 * time of one goes by while the other side is woken up, which may take long where
 * the processors are busy; and not all at once, as each costs the other side memory. */
#include <config.h>

#include <errno.h>
#include <poll.h>
#include <string.h>

#include <glib.h>

#include "client-run.h"
#include "cleanup.h"
#include "deadline.h"
#include "stop-clock.h"

#define AT_ONCE 8

int
client_failed (const struct client *client, struct failure *why)
{
  int error = nbd_get_errno ();
  const char *text = nbd_get_error ();

  return failure_set (why, FAILURE_GENERIC, error > 0 ? error : EIO,
                      "export %s cannot be %s: %s", client->export_name,
                      client->open ? client->doing : "opened",
                      text != NULL ? text : "no reason given");
}

static int
command_done (void *user_data, int *error)
{
  struct client *client = user_data;

  client->busy = false;
  client->error = *error;
  return 1;                     /* retire the command */
}

static int
start (struct client *client, const struct client_address *address,
       int timeout_ms, struct failure *why)
{
  int r;

  client->deadline = now_ms () + timeout_ms;
  client->open = client->busy = false;
  client->error = 0;
  client->done = (nbd_completion_callback) { .callback = command_done,
                                             .user_data = client };
  client->h = nbd_create ();
  if (client->h == NULL ||
      nbd_set_export_name (client->h, client->export_name) == -1 ||
      (client->context != NULL &&
       nbd_add_meta_context (client->h, client->context) == -1))
    return client_failed (client, why);
  if (address->socket != NULL)
    r = nbd_aio_connect_unix (client->h, address->socket);
  else
    r = nbd_aio_connect_tcp (client->h, address->host, address->port);
  return r == -1 ? client_failed (client, why) : 0;
}

static void
finish (struct client *client)
{
  nbd_close (client->h);
  client->h = NULL;
}

/* 1: it is done. */
static int
advance (struct client *client, struct failure *why)
{
  int r = 0;

  if (nbd_aio_is_dead (client->h) || nbd_aio_is_closed (client->h))
    return failure_set (why, FAILURE_GENERIC, ECONNRESET, "export %s cannot be "
                        "%s: the server closed the connection",
                        client->export_name,
                        client->open ? client->doing : "opened");
  if (!client->open && !nbd_aio_is_ready (client->h))
    return 0;
  client->open = true;
  if (!client->busy) {
    client->busy = true;
    r = client->next (client, why);
  }
  return r;
}

static int
notify (struct client *client, short events, struct failure *why)
{
  unsigned direction = nbd_aio_get_direction (client->h);
  int r = 0;

  if ((direction & LIBNBD_AIO_DIRECTION_READ) != 0 &&
      (events & (POLLIN | POLLHUP | POLLERR)) != 0)
    r = nbd_aio_notify_read (client->h);
  else if ((direction & LIBNBD_AIO_DIRECTION_WRITE) != 0 &&
           (events & (POLLOUT | POLLHUP | POLLERR)) != 0)
    r = nbd_aio_notify_write (client->h);
  if (r == -1)
    return client_failed (client, why);
  r = advance (client, why);
  if (r == 0 && client->late != NULL && client->open &&
      ms_left (client->deadline) == 0)
    r = client->late (client, why);
  else if (r == 0 && ms_left (stop_clock_cap (client->deadline)) == 0)
    r = failure_set (why, FAILURE_TIMEOUT, ETIMEDOUT, "export %s did not "
                     "answer in time while it was being %s",
                     client->export_name,
                     client->open ? client->doing : "opened");
  return r;
}

static struct pollfd
to_poll (const struct client *client)
{
  unsigned direction = nbd_aio_get_direction (client->h);
  int events = 0;

  if ((direction & LIBNBD_AIO_DIRECTION_READ) != 0)
    events |= POLLIN;
  if ((direction & LIBNBD_AIO_DIRECTION_WRITE) != 0)
    events |= POLLOUT;
  return (struct pollfd) { .fd = nbd_aio_get_fd (client->h),
                           .events = (short) events };
}

/* One turn of those that run, N of them at RUNNING: who is done leaves. */
static int
turn (struct client **running, size_t *n, struct failure *why)
{
  struct pollfd set[AT_ONCE];
  int64_t until = now_ms () + STOP_CLOCK_SLICE_MS;
  size_t kept = 0;
  int r = 0;

  for (size_t i = 0; i < *n; i++) {
    set[i] = to_poll (running[i]);
    until = MIN (until, stop_clock_cap (running[i]->deadline));
  }
  if (poll (set, *n, ms_left (until)) < 0 && errno != EINTR)
    return failure_set (why, FAILURE_GENERIC, errno, "poll: %s",
                        g_strerror (errno));
  for (size_t i = 0; i < *n; i++) {
    int one = r < 0 ? 0 : notify (running[i], set[i].revents, why);

    if (one > 0)
      finish (running[i]);
    else
      running[kept++] = running[i];
    r = one < 0 ? one : r;
  }
  *n = kept;
  return r;
}

int
client_run (const struct client_address *address,
                   struct client *clients, size_t n, int timeout_ms,
                   struct failure *why)
{
  struct client *running[AT_ONCE];
  size_t n_running = 0, next = 0;
  int r = 0;

  while (r == 0 && (next < n || n_running > 0)) {
    while (r == 0 && next < n && n_running < AT_ONCE) {
      running[n_running++] = &clients[next];
      r = start (&clients[next++], address, timeout_ms, why);
    }
    if (r == 0)
      r = turn (running, &n_running, why);
  }
  while (n_running > 0)
    finish (running[--n_running]);
  return r;
}
