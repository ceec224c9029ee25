/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libnbd's asynchronous calls, and nothing of its synchronous ones: a server that hangs
 * must not keep us from noticing that we shall stop. */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>

#include <libnbd.h>

#include "checked-math.h"
#include "deadline.h"
#include "differ-blocks.h"
#include "differ-side.h"

#define ZERO_CONTEXT LIBNBD_CONTEXT_BASE_ALLOCATION
#define SIDES_MOST 2

struct differ_side {
  struct differ_facts facts;
  bool flushes;
  int n;                        /* of CONNECTIONS */
  struct nbd_handle *connections[DIFFER_CONNECTIONS_MOST];
};

/* --- failures -------------------------------------------------------------- */

/* What libnbd says of its last call. */
static int
failed (const struct differ_side *side, const char *what, struct failure *why)
{
  int error = nbd_get_errno ();
  const char *text = nbd_get_error ();

  return failure_set (why, FAILURE_GENERIC, error > 0 ? error : EIO,
                      "the %s %s: %s", side->facts.name, what,
                      text != NULL ? text : "no reason given");
}

static int
lost (const struct differ_side *side, struct failure *why)
{
  return failure_set (why, FAILURE_GENERIC, ECONNRESET, "the connection to the "
                      "%s was lost: see whether its server runs, and run this "
                      "again, which goes on with what differs then",
                      side->facts.name);
}

/* --- waiting ----------------------------------------------------------------- */

static struct pollfd
to_poll (struct nbd_handle *connection)
{
  unsigned direction = nbd_aio_get_direction (connection);
  int events = 0;

  if ((direction & LIBNBD_AIO_DIRECTION_READ) != 0)
    events |= POLLIN;
  if ((direction & LIBNBD_AIO_DIRECTION_WRITE) != 0)
    events |= POLLOUT;
  return (struct pollfd) { .fd = nbd_aio_get_fd (connection),
                           .events = (short) events };
}

static bool
is_over (struct nbd_handle *connection)
{
  return nbd_aio_is_dead (connection) || nbd_aio_is_closed (connection);
}

static int
notify (struct differ_side *side, struct nbd_handle *connection, short events,
        struct failure *why)
{
  unsigned direction = nbd_aio_get_direction (connection);
  int r = 0;

  if ((direction & LIBNBD_AIO_DIRECTION_READ) != 0 &&
      (events & (POLLIN | POLLHUP | POLLERR)) != 0)
    r = nbd_aio_notify_read (connection);
  else if ((direction & LIBNBD_AIO_DIRECTION_WRITE) != 0 &&
           (events & (POLLOUT | POLLHUP | POLLERR)) != 0)
    r = nbd_aio_notify_write (connection);
  if (r != -1 && !is_over (connection))
    return 0;
  if (side->facts.connections > 0)
    return lost (side, why);
  return r == -1 ? failed (side, "cannot be opened", why)
         : failure_set (why, FAILURE_GENERIC, ECONNRESET, "the %s cannot be "
                        "opened: its server closed the connection",
                        side->facts.name);
}

int
differ_side_wait (struct differ_side *const *sides, unsigned n, int stop,
                  int64_t deadline, struct failure *why)
{
  struct pollfd set[SIDES_MOST * DIFFER_CONNECTIONS_MOST + 1];
  nfds_t polled = 0, at = 1;
  int r = 0;

  set[polled++] = (struct pollfd) { .fd = stop, .events = POLLIN };
  for (unsigned i = 0; i < n; i++)
    for (int c = 0; c < sides[i]->n; c++)
      set[polled++] = to_poll (sides[i]->connections[c]);
  if (poll (set, polled, ms_left (deadline)) < 0)
    return errno == EINTR ? 0
           : failure_set (why, FAILURE_GENERIC, errno, "poll: %s",
                          strerror (errno));
  for (unsigned i = 0; i < n; i++)
    for (int c = 0; c < sides[i]->n; c++, at++)
      if (set[at].revents != 0 && r == 0)
        r = notify (sides[i], sides[i]->connections[c], set[at].revents, why);
  return r < 0 ? r : set[0].revents != 0;
}

/* --- opening ------------------------------------------------------------------- */

static int
connect_one (struct differ_side *side, const char *uri, int stop,
             struct failure *why)
{
  struct nbd_handle *h = nbd_create ();
  int r = 0;

  if (h == NULL)
    return failed (side, "cannot be opened", why);
  side->connections[side->n++] = h;
  if (nbd_add_meta_context (h, ZERO_CONTEXT) == -1 ||
      nbd_set_pread_initialize (h, false) == -1 ||
      nbd_aio_connect_uri (h, uri) == -1)
    return failed (side, "cannot be opened", why);
  while (r == 0 && !nbd_aio_is_ready (h))
    r = is_over (h) ? failed (side, "cannot be opened", why)
        : differ_side_wait (&side, 1, stop, INT64_MAX, why);
  return r == 1 ? failure_set (why, FAILURE_GENERIC, EINTR, "stopped by a "
                               "signal while the %s was being opened",
                               side->facts.name)
         : r;
}

static int
learn_sizes (struct differ_side *side, struct failure *why)
{
  struct nbd_handle *h = side->connections[0];
  int64_t size = nbd_get_size (h);
  int64_t least = nbd_get_block_size (h, LIBNBD_SIZE_MINIMUM);
  int64_t most = nbd_get_block_size (h, LIBNBD_SIZE_MAXIMUM);

  if (size < 0)
    return failed (side, "does not tell its size", why);
  if (least > DIFFER_BLOCK_MOST || (least & (least - 1)) != 0)
    return failure_set (why, FAILURE_GENERIC, ENOTSUP, "the %s takes only "
                        "requests of at least %" PRIi64 " bytes: serve it by a "
                        "program that takes %d", side->facts.name, least,
                        DIFFER_BLOCK_MOST);
  if (most > 0 && most < DIFFER_PIECE && most < size)
    return failure_set (why, FAILURE_GENERIC, ENOTSUP, "the %s takes only "
                        "requests of at most %" PRIi64 " bytes: serve it by a "
                        "program that takes %d", side->facts.name, most,
                        DIFFER_PIECE);
  side->facts.size = (uint64_t) size;
  side->facts.block = least > 0 ? (uint32_t) least : 1;
  return 0;
}

static int
learn (struct differ_side *side, bool writable, struct failure *why)
{
  struct nbd_handle *h = side->connections[0];
  int r = learn_sizes (side, why);

  if (r < 0)
    return r;
  if (writable && nbd_is_read_only (h) != 0)
    return failure_set (why, FAILURE_GENERIC, EROFS, "the target is read-only: "
                        "nothing was written; serve it so that it can be "
                        "written");
  side->facts.tells_zeros = nbd_can_meta_context (h, ZERO_CONTEXT) == 1;
  side->facts.zeroes = nbd_can_zero (h) == 1;
  side->flushes = nbd_can_flush (h) == 1;
  return 0;
}

int
differ_side_open (const char *uri, bool writable, int connections, int stop,
                  struct differ_side **side, struct failure *why)
{
  struct differ_side *new = calloc (1, sizeof *new);
  int r;

  if (new == NULL)
    return failure_set (why, FAILURE_GENERIC, ENOMEM, "no memory");
  new->facts.name = writable ? "target" : "source";
  r = connect_one (new, uri, stop, why);
  if (r == 0)
    r = learn (new, writable, why);
  /* A flush of one connection must be one of all. */
  if (r == 0 && nbd_can_multi_conn (new->connections[0]) != 1)
    connections = 1;
  while (r == 0 && new->n < connections)
    r = connect_one (new, uri, stop, why);
  if (r < 0) {
    differ_side_close (new);
    return r;
  }
  new->facts.connections = new->n;
  *side = new;
  return 0;
}

void
differ_side_close (struct differ_side *side)
{
  if (side == NULL)
    return;
  for (int i = 0; i < side->n; i++) {
    if (nbd_aio_is_ready (side->connections[i]))
      nbd_aio_disconnect (side->connections[i], 0);
    nbd_close (side->connections[i]);
  }
  free (side);
}

const struct differ_facts *
differ_side_facts (const struct differ_side *side)
{
  return &side->facts;
}

/* --- requests ------------------------------------------------------------------- */

static int
is_done (void *user_data, int *error)
{
  struct differ_request *request = user_data;

  request->busy = false;
  request->error = *error;
  return 1;                     /* retire the command */
}

static nbd_completion_callback
begin (struct differ_request *request)
{
  request->busy = true;
  request->error = 0;
  return (nbd_completion_callback) { .callback = is_done,
                                     .user_data = request };
}

/* R is what libnbd says to a request. */
static int
begun (struct differ_side *side, int64_t r, struct differ_request *request,
       struct failure *why)
{
  if (r != -1)
    return 0;
  request->busy = false;
  request->error = ENOTCONN;
  for (int i = 0; i < side->n; i++)
    if (is_over (side->connections[i]))
      return lost (side, why);
  return failed (side, "cannot be asked", why);
}

/* The one with the least to do. */
static struct nbd_handle *
choose (const struct differ_side *side)
{
  struct nbd_handle *best = side->connections[0];
  int least = nbd_aio_in_flight (best);

  for (int i = 1; i < side->n && least > 0; i++) {
    int here = nbd_aio_in_flight (side->connections[i]);

    if (here < least) {
      least = here;
      best = side->connections[i];
    }
  }
  return best;
}

int
differ_side_read (struct differ_side *side, void *buffer, uint32_t length,
                  uint64_t offset, struct differ_request *request,
                  struct failure *why)
{
  return begun (side, nbd_aio_pread (choose (side), buffer, length, offset,
                                     begin (request), 0), request, why);
}

int
differ_side_write (struct differ_side *side, const void *buffer,
                   uint32_t length, uint64_t offset,
                   struct differ_request *request, struct failure *why)
{
  return begun (side, nbd_aio_pwrite (choose (side), buffer, length, offset,
                                      begin (request), 0), request, why);
}

int
differ_side_zero (struct differ_side *side, uint32_t length, uint64_t offset,
                  bool no_hole, struct differ_request *request,
                  struct failure *why)
{
  uint32_t flags = no_hole ? LIBNBD_CMD_FLAG_NO_HOLE : 0;

  return begun (side, nbd_aio_zero (choose (side), length, offset,
                                    begin (request), flags), request, why);
}

static int
take_extents (void *user_data, const char *context, uint64_t offset,
              uint32_t *entries, size_t n, int *error)
{
  struct differ_request *request = user_data;

  if (strcmp (context, ZERO_CONTEXT) != 0)
    return 0;
  for (size_t i = 0; i + 1 < n; i += 2)
    if (request->take (request->opaque, entries[i],
                       (entries[i + 1] & LIBNBD_STATE_ZERO) != 0) < 0)
      break;
  return 0;
}

int
differ_side_status (struct differ_side *side, uint32_t length, uint64_t offset,
                    struct differ_request *request, struct failure *why)
{
  nbd_extent_callback taker = { .callback = take_extents,
                                .user_data = request };

  return begun (side, nbd_aio_block_status (choose (side), length, offset,
                                            taker, begin (request), 0),
                request, why);
}

int
differ_side_flush (struct differ_side *side, struct differ_request *request,
                   struct failure *why)
{
  if (!side->flushes)
    return 0;
  return begun (side, nbd_aio_flush (side->connections[0], begin (request), 0),
                request, why);
}
