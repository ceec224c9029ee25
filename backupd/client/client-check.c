/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Offered is one thing, answered another: what is checked is asked for its first
 * granule. */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <glib.h>

#include "client-run.h"
#include "checked-math.h"

/* --- check -------------------------------------------------------- */

struct check {
  const struct client_export *export;
  bool asked, seen;
};

static int
has (const struct client *client, const struct client_export *export,
     struct failure *why)
{
  int64_t actual = nbd_get_size (client->h);

  if (actual < 0 || (export->size != 0 && (uint64_t) actual != export->size))
    return failure_set (why, FAILURE_GENERIC, EIO, "export %s has %" PRIi64
                        " bytes instead of %" PRIu64, export->name, actual,
                        export->size);
  if (export->context != NULL &&
      nbd_can_meta_context (client->h, export->context) != 1)
    return failure_set (why, FAILURE_GENERIC, EIO, "export %s does not offer "
                        "%s", export->name, export->context);
  return 0;
}

static int
check_extents (void *user_data, const char *metacontext, uint64_t offset,
               uint32_t *entries, size_t n, int *error)
{
  struct check *check = user_data;

  check->seen = check->seen ||
                (strcmp (metacontext, check->export->context) == 0 &&
                 n >= 2 && entries[0] > 0);
  return 0;
}

static int
check_ask (struct client *client, struct failure *why)
{
  struct check *check = client->opaque;
  uint64_t size = (uint64_t) nbd_get_size (client->h);

  check->asked = true;
  return nbd_aio_block_status (client->h, min_u64 (size, GRANULE_DEFAULT), 0,
                               (nbd_extent_callback) {
                                 .callback = check_extents,
                                 .user_data = check },
                               client->done, 0) == -1
         ? client_failed (client, why) : 0;
}

static int
check_next (struct client *client, struct failure *why)
{
  struct check *check = client->opaque;
  int r;

  if (!check->asked) {
    r = has (client, check->export, why);
    return r < 0 ? r : check->export->context == NULL ? 1
           : check_ask (client, why);
  }
  if (client->error != 0 || !check->seen)
    return failure_set (why, FAILURE_GENERIC,
                        client->error != 0 ? client->error : EPROTO,
                        "export %s does not answer for %s",
                        check->export->name, check->export->context);
  return 1;
}

int
client_check (const struct client_address *address,
                     const struct client_export *exports, size_t n,
                     int timeout_ms, struct failure *why)
{
  g_autofree struct client *clients = g_new0 (struct client, n);
  g_autofree struct check *checks = g_new0 (struct check, n);

  for (size_t i = 0; i < n; i++) {
    checks[i].export = &exports[i];
    clients[i] = (struct client) {
      .export_name = exports[i].name, .context = exports[i].context,
      .doing = "mapped", .next = check_next, .opaque = &checks[i]
    };
  }
  return client_run (address, clients, n, timeout_ms, why);
}

/* --- flush -------------------------------------------------------- */

static int
flush_next (struct client *client, struct failure *why)
{
  bool *asked = client->opaque;

  if (*asked)
    return client->error == 0 ? 1
           : failure_set (why, FAILURE_GENERIC, client->error, "export %s "
                          "cannot be flushed: %s", client->export_name,
                          g_strerror (client->error));
  *asked = true;
  return nbd_aio_flush (client->h, client->done, 0) == -1
         ? client_failed (client, why) : 0;
}

int
client_flush (const struct client_address *address,
                     const char *name, int timeout_ms, struct failure *why)
{
  bool asked = false;
  struct client client = { .export_name = name, .doing = "flushed",
                           .next = flush_next, .opaque = &asked };

  return client_run (address, &client, 1, timeout_ms, why);
}
