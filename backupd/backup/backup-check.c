/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include "client.h"
#include "backup-since.h"
#include "backup-steps.h"
#include "name.h"

/* Longer than a gateway waits for a view that gets no processor. */
#define CHECK_TIMEOUT_MS 45000

static void
add (GArray *exports, const char *name, uint64_t size, const char *context)
{
  const struct client_export export = { .name = name, .size = size,
                                               .context = context };

  g_array_append_val (exports, export);
}

/* NAMES owns those that are made here. */
static void
add_disk (GArray *exports, GPtrArray *names, const struct backup_disk *disk)
{
  struct backup_since *since;

  if (disk->since->len == 0)
    add (exports, disk->export_name, disk->size, NULL);
  FOR_EACH_SINCE (disk, since) {
    char *name = backup_since_public (disk, since);

    g_ptr_array_add (names, name);
    add (exports, disk->export_name, disk->size, since->context);
    add (exports, name, disk->size, CONTEXT_ALLOCATION);
  }
}

int
backup_check (void *context, struct failure *why)
{
  struct backup *backup = context;
  const struct client_address address = {
    .socket = backup->serving.front.host == NULL ? backup->paths.client_socket : NULL,
    .host = backup->serving.front.host, .port = backup->serving.front.port
  };
  g_autoptr (GArray) exports =
    g_array_new (FALSE, FALSE, sizeof (struct client_export));
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  struct backup_disk *disk;

  FOR_EACH_DISK (backup, disk)
    add_disk (exports, names, disk);
  return client_check (&address, (const void *) exports->data, exports->len,
                       CHECK_TIMEOUT_MS, why);
}
