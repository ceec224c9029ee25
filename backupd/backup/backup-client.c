/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A peer that hangs or lies must not hold the daemon's thread: all is
 * asynchronous, with one deadline.  The import has several commands under way,
 * as QEMU answers each only for a range. */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <glib.h>
#include <libnbd.h>

#include "checked-math.h"
#include "backup-client.h"
#include "deadline.h"
#include "socket.h"
#include "stop-clock.h"

/* One extent of a reply: what is imported is a bitmap of ours, of this granularity
 * whatever that of its sources was. */
#define EXTENT_BYTES 8
#define EXTENT_LEAST GRANULE_DEFAULT
/* Of a command that is answered with its first extent: the most that the protocol has. */
#define IMPORT_SKIP (UINT32_MAX - (UINT64_C (1) << 20) + 1)

static void
cleanup_nbd (struct nbd_handle **h)
{
  nbd_close (*h);
}
#define CLEANUP_NBD __attribute__ ((cleanup (cleanup_nbd)))

static int
client_failed (const char *export_name, const char *doing,
               struct failure *why)
{
  int error = nbd_get_errno ();
  const char *text = nbd_get_error ();

  return failure_set (why, FAILURE_GENERIC, error > 0 ? error : EIO,
                      "export %s cannot be %s: %s", export_name, doing,
                      text != NULL ? text : "no reason given");
}

/* One turn of the handle's machinery. */
static int
client_poll (struct nbd_handle *h, int64_t deadline, const char *export_name,
             const char *doing, struct failure *why)
{
  int left = ms_left (stop_clock_cap (deadline));
  int r = nbd_poll (h, MIN (left, STOP_CLOCK_SLICE_MS));

  if (r == -1)
    return client_failed (export_name, doing, why);
  if (r == 0 && left == 0)
    return failure_set (why, FAILURE_TIMEOUT, ETIMEDOUT, "export %s did not "
                        "answer in time while it was being %s", export_name,
                        doing);
  return 0;
}

static int
client_open (const struct backup_client_address *address,
             const char *export_name, const char *context, int64_t deadline,
             struct nbd_handle **ret, struct failure *why)
{
  CLEANUP_NBD struct nbd_handle *h = nbd_create ();
  int r;

  if (h == NULL || nbd_set_export_name (h, export_name) == -1 ||
      (context != NULL && nbd_add_meta_context (h, context) == -1))
    return client_failed (export_name, "opened", why);
  if (address->socket != NULL)
    r = nbd_aio_connect_unix (h, address->socket);
  else
    r = nbd_aio_connect_tcp (h, address->host, address->port);
  if (r == -1)
    return client_failed (export_name, "opened", why);
  while (!nbd_aio_is_ready (h)) {
    if (nbd_aio_is_dead (h) || nbd_aio_is_closed (h))
      return failure_set (why, FAILURE_GENERIC, ECONNRESET, "export %s cannot "
                          "be opened: the server closed the connection",
                          export_name);
    r = client_poll (h, deadline, export_name, "opened", why);
    if (r < 0)
      return r;
  }
  *ret = TAKE_PTR (h);
  return 0;
}

static int
client_has (struct nbd_handle *h, const char *export_name, uint64_t size,
            const char *context, struct failure *why)
{
  int64_t actual = nbd_get_size (h);

  if (actual < 0 || (size != 0 && (uint64_t) actual != size))
    return failure_set (why, FAILURE_GENERIC, EIO, "export %s has %" PRIi64
                        " bytes instead of %" PRIu64, export_name, actual,
                        size);
  if (context != NULL && nbd_can_meta_context (h, context) != 1)
    return failure_set (why, FAILURE_GENERIC, EIO, "export %s does not offer "
                        "%s", export_name, context);
  return 0;
}

struct command_end {
  bool finished;
  int error;                    /* positive errno */
};

static int
command_done (void *user_data, int *error)
{
  struct command_end *end = user_data;

  end->finished = true;
  end->error = *error;
  return 1;                     /* retire the command */
}

/* One block status command, and its end.  On failure *H is closed, and NULL: the
 * callbacks of a command in flight point into this frame and the caller's. */
static int
client_status (struct nbd_handle **h, const char *export_name,
               const char *doing, uint64_t length, uint64_t offset,
               uint32_t flags, nbd_extent_callback extents, int64_t deadline,
               int *error, struct failure *why)
{
  struct command_end end = { .error = 0 };
  int r = 0;

  if (nbd_aio_block_status (*h, length, offset, extents,
                            (nbd_completion_callback) {
                              .callback = command_done, .user_data = &end },
                            flags) == -1)
    return client_failed (export_name, doing, why);
  while (r == 0 && !end.finished)
    r = client_poll (*h, deadline, export_name, doing, why);
  *error = end.error;
  if (r < 0) {
    nbd_close (*h);
    *h = NULL;
  }
  return r;
}

struct status_answer {
  const char *context;
  bool seen;
};

static int
status_extents (void *user_data, const char *metacontext, uint64_t offset,
                uint32_t *entries, size_t n, int *error)
{
  struct status_answer *answer = user_data;

  answer->seen = answer->seen || (strcmp (metacontext, answer->context) == 0 &&
                                  n >= 2 && entries[0] > 0);
  return 0;
}

/* Offered is one thing, answered another: asks for the first granule. */
static int
client_answers (struct nbd_handle **h, const char *export_name,
                const char *context, uint64_t size, int64_t deadline,
                struct failure *why)
{
  struct status_answer answer = { .context = context };
  int error = 0;
  int r = client_status (h, export_name, "mapped",
                         min_u64 (size, GRANULE_DEFAULT), 0, 0,
                         (nbd_extent_callback) { .callback = status_extents,
                                                 .user_data = &answer },
                         deadline, &error, why);

  if (r == 0 && (error != 0 || !answer.seen))
    r = failure_set (why, FAILURE_GENERIC, error != 0 ? error : EPROTO,
                     "export %s does not answer for %s", export_name, context);
  return r;
}

int
backup_client_check (const struct backup_client_address *address,
                     const char *export_name, uint64_t size,
                     const char *context, int timeout_ms,
                     struct failure *why)
{
  CLEANUP_NBD struct nbd_handle *h = NULL;
  int64_t deadline = now_ms () + timeout_ms;
  int r = client_open (address, export_name, context, deadline, &h, why);

  if (r == 0)
    r = client_has (h, export_name, size, context, why);
  if (r == 0 && context != NULL)
    r = client_answers (&h, export_name, context, size, deadline, why);
  return r;
}

/* --- import ------------------------------------------------------- */

struct import {
  struct nbd_handle *h;
  struct granule_map *map;
  const char *context;
  uint64_t size, next;
  uint64_t range;               /* of one command, one at a time (rule Q3) */
  bool clean;                   /* all that the last command asked for */
  int error;                    /* 0 or -errno, the first */
};

static int
import_extents (void *user_data, const char *metacontext, uint64_t offset,
                uint32_t *entries, size_t n, int *error)
{
  struct import *import = user_data;

  if (strcmp (metacontext, import->context) != 0)
    return 0;
  for (size_t i = 0; i + 1 < n; i += 2) {
    uint64_t length = min_u64 (entries[i], import->size - offset);
    bool clean = (entries[i + 1] & 1) == 0;
    int r = clean || length == 0 ? 0 :
      granule_map_set (import->map, offset, length);

    if (r < 0 && import->error == 0)
      import->error = r;
    import->clean = import->clean && clean;
    offset += length;
  }
  import->next = offset;
  return 0;
}

/* Asks for what follows IMPORT's next, and moves that on.  What is clean is passed
 * with few commands: a disk may have 65,536 GiB, and hardly a change. */
static int
import_next (struct import *import, int64_t deadline, const char *export_name,
             struct failure *why)
{
  bool skip = import->clean;
  uint64_t offset = import->next;
  uint64_t length = min_u64 (skip ? IMPORT_SKIP : import->range,
                             import->size - offset);
  int error = 0, r;

  import->clean = true;
  r = client_status (&import->h, export_name, "imported", length, offset,
                     skip ? LIBNBD_CMD_FLAG_REQ_ONE : 0,
                     (nbd_extent_callback) { .callback = import_extents,
                                             .user_data = import },
                     deadline, &error, why);
  if (r == 0 && import->error == 0)
    import->error = error != 0 ? -error
                    : import->next == offset ? -EPROTO : 0;
  import->clean = import->clean && import->next - offset >= length;
  return r;
}

int
backup_client_import (const struct backup_client_address *address,
                      const char *export_name, const char *context,
                      struct granule_map *map, int timeout_ms,
                      struct failure *why)
{
  int64_t deadline = now_ms () + timeout_ms;
  struct import import = {
    .map = map, .context = context, .size = granule_map_disk_size (map),
    .range = socket_room () / EXTENT_BYTES * EXTENT_LEAST
  };
  int r = client_open (address, export_name, context, deadline, &import.h, why);

  if (r == 0)
    r = client_has (import.h, export_name, import.size, context, why);
  while (r == 0 && import.error == 0 && import.next < import.size)
    r = import_next (&import, deadline, export_name, why);
  nbd_close (import.h);
  if (r == 0 && import.error != 0)
    r = failure_set (why, FAILURE_GENERIC, -import.error, "the bitmap of "
                     "export %s cannot be imported: %s", export_name,
                     g_strerror (-import.error));
  return r;
}

/* --- flush -------------------------------------------------------- */

int
backup_client_flush (const struct backup_client_address *address,
                     const char *export_name, int timeout_ms,
                     struct failure *why)
{
  CLEANUP_NBD struct nbd_handle *h = NULL;
  int64_t deadline = now_ms () + timeout_ms;
  struct command_end end = { .error = 0 };
  int r = client_open (address, export_name, NULL, deadline, &h, why);

  if (r < 0)
    return r;
  if (nbd_aio_flush (h, (nbd_completion_callback) {
                       .callback = command_done, .user_data = &end }, 0) == -1)
    return client_failed (export_name, "flushed", why);
  while (r == 0 && !end.finished)
    r = client_poll (h, deadline, export_name, "flushed", why);
  return r < 0 || end.error == 0 ? r
         : failure_set (why, FAILURE_GENERIC, end.error, "export %s cannot be "
                        "flushed: %s", export_name, g_strerror (end.error));
}
