/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QEMU tells how much of a bitmap is dirty: one that is clean is not asked about at
 * all, and of another no more than until all of that was seen. */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <glib.h>

#include "client-run.h"
#include "checked-math.h"
#include "socket.h"

/* One extent of a reply.  Of what is allocated there may be a few more than that is divided
 * into, where images end that are shorter than the disk. */
#define EXTENT_BYTES 8
#define EXTENTS_SPARE 8         /* one of so many */
/* Of a command that is answered with its first extent: the most that the protocol has. */
#define IMPORT_SKIP (UINT32_MAX - (UINT64_C (1) << 20) + 1)

struct import {
  struct client_bitmap *bitmap;
  uint64_t size, next;
  uint64_t seen;                /* dirty bytes, whole granules */
  uint64_t asked, length;       /* of the command under way; 0: none yet */
  uint64_t range;               /* of one command, one at a time (rule Q3) */
  bool clean;                   /* all that the last command asked for */
  int error;                    /* 0 or -errno, the first */
};

static int
note_extent (struct import *import, uint64_t offset, uint64_t length)
{
  import->seen += round_up_pow2 (length, GRANULE_DEFAULT);
  return granule_map_set (import->bitmap->map, offset, length);
}

static bool
is_clean (const struct import *import, uint32_t flags)
{
  unsigned depth = import->bitmap->depth;

  return depth == 0 ? (flags & 1) == 0 : flags == 0 || flags > depth;
}

static int
import_extents (void *user_data, const char *metacontext, uint64_t offset,
                uint32_t *entries, size_t n, int *error)
{
  struct import *import = user_data;

  if (strcmp (metacontext, import->bitmap->context) != 0)
    return 0;
  for (size_t i = 0; i + 1 < n; i += 2) {
    uint64_t length = min_u64 (entries[i], import->size - offset);
    bool clean = is_clean (import, entries[i + 1]);
    int r = clean || length == 0 ? 0 : note_extent (import, offset, length);

    if (r < 0 && import->error == 0)
      import->error = r;
    import->clean = import->clean && clean;
    offset += length;
  }
  import->next = offset;
  return 0;
}

static bool
has_all (const struct import *import)
{
  return import->next >= import->size || import->seen >= import->bitmap->dirty;
}

static int
import_failed (const struct import *import, int r, struct failure *why)
{
  return failure_set (why, FAILURE_GENERIC, -r, "the bitmap of export %s "
                      "cannot be imported: %s", import->bitmap->export_name,
                      g_strerror (-r));
}

/* The command that was under way has ended. */
static int
import_look (struct import *import, const struct client *client,
             struct failure *why)
{
  int r = import->error != 0 ? import->error : client->error != 0
          ? -client->error : import->next == import->asked ? -EPROTO : 0;

  if (r < 0)
    return import_failed (import, r, why);
  import->clean = import->clean && import->next - import->asked >= import->length;
  return 0;
}

/* Asks for what follows IMPORT's next.  What is clean is passed with few commands: a
 * disk may have 65,536 GiB, and hardly a change. */
static int
import_ask (struct import *import, struct client *client, struct failure *why)
{
  bool skip = import->clean;

  import->asked = import->next;
  import->length = min_u64 (skip ? IMPORT_SKIP : import->range,
                            import->size - import->next);
  import->clean = true;
  return nbd_aio_block_status (client->h, import->length, import->asked,
                               (nbd_extent_callback) {
                                 .callback = import_extents,
                                 .user_data = import },
                               client->done,
                               skip ? LIBNBD_CMD_FLAG_REQ_ONE : 0) == -1
         ? client_failed (client, why) : 0;
}

static int
import_opened (const struct import *import, const struct client *client,
               struct failure *why)
{
  int64_t actual = nbd_get_size (client->h);

  if (actual < 0 || (uint64_t) actual != import->size)
    return failure_set (why, FAILURE_GENERIC, EIO, "export %s has %" PRIi64
                        " bytes instead of %" PRIu64, client->export_name,
                        actual, import->size);
  if (nbd_can_meta_context (client->h, client->context) != 1)
    return failure_set (why, FAILURE_GENERIC, EIO, "export %s does not offer "
                        "%s", client->export_name, client->context);
  return 0;
}

static int
import_next (struct client *client, struct failure *why)
{
  struct import *import = client->opaque;
  int r = import->length == 0 ? import_opened (import, client, why)
          : import_look (import, client, why);

  if (r < 0)
    return r;
  if (!has_all (import))
    return import_ask (import, client, why);
  if (import->bitmap->dirty != CLIENT_ANY &&
      import->seen < import->bitmap->dirty)
    return import_failed (import, -EPROTO, why);
  return 1;
}

/* What is not known counts as changed: the delta is larger than it need be, and right. */
static int
import_late (struct client *client, struct failure *why)
{
  struct import *import = client->opaque;
  struct client_bitmap *bitmap = import->bitmap;
  int r = granule_map_set (bitmap->map, import->next,
                           import->size - import->next);

  if (r < 0)
    return import_failed (import, r, why);
  bitmap->untold = import->size - import->next;
  return 1;
}

/* Bytes of a command whose reply fits, into a socket of ROOM (rule Q3). */
static uint64_t
import_range (const struct client_bitmap *bitmap, size_t room)
{
  size_t extents = room / EXTENT_BYTES;

  if (bitmap->depth > 0)
    extents -= extents / EXTENTS_SPARE;
  return min_u64 (extents * (uint64_t) bitmap->least, IMPORT_SKIP);
}

int
client_import (const struct client_address *address,
                      struct client_bitmap *bitmaps, size_t n,
                      int timeout_ms, struct failure *why)
{
  size_t room = socket_room ();
  g_autofree struct client *clients = g_new0 (struct client, n);
  g_autofree struct import *imports = g_new0 (struct import, n);

  for (size_t i = 0; i < n; i++) {
    imports[i] = (struct import) {
      .bitmap = &bitmaps[i], .size = granule_map_disk_size (bitmaps[i].map),
      .range = import_range (&bitmaps[i], room)
    };
    clients[i] = (struct client) {
      .export_name = bitmaps[i].export_name, .context = bitmaps[i].context,
      .doing = "imported", .next = import_next, .late = import_late,
      .opaque = &imports[i]
    };
  }
  return client_run (address, clients, n, timeout_ms, why);
}
