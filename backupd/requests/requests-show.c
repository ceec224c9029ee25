/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What several replies hold. */
#include <config.h>

#include <glib.h>

#include "checkpoint-disks.h"
#include "json-members.h"
#include "requests-show.h"

json_object *
requests_show_checkpoint (const struct checkpoint *c)
{
  json_object *object = json_with ("name", c->name);
  json_object *disks = json_object_new_array ();
  size_t i;

  json_add_known (object, "parent", c->parent);
  json_add_known (object, "description", c->description);
  json_add_known (object, "consumer", c->consumer);
  json_add_known (object, "state", catalog_checkpoint_state (c->state));
  json_add_i64 (object, "creation-time", c->creation_time);
  for (i = 0; i < c->n_disks; i++) {
    json_object *disk = json_with ("name", c->disks[i].name);

    json_add_known (disk, "bitmap", c->disks[i].bitmap);
    json_add_u64 (disk, "size", c->disks[i].size);
    json_add_bool (disk, "gap-before", c->disks[i].gap_before);
    json_add_known (disk, "lost", c->disks[i].lost);
    json_object_array_add (disks, disk);
  }
  json_object_object_add (object, "disks", disks);
  return object;
}

static json_object *
show_bitmap (const struct qmp_bitmap *bitmap)
{
  json_object *object = json_object_new_object ();

  json_add_known (object, "name", bitmap->name);
  json_add_u64 (object, "dirty-bytes", bitmap->count);
  json_add_u64 (object, "granularity", bitmap->granularity);
  json_add_bool (object, "recording", bitmap->recording);
  json_add_bool (object, "busy", bitmap->busy);
  json_add_bool (object, "persistent", bitmap->persistent);
  json_add_bool (object, "inconsistent", bitmap->inconsistent);
  return object;
}

json_object *
requests_show_disk (const struct qmp_disk *disk)
{
  json_object *object = json_object_new_object ();
  json_object *bitmaps = json_object_new_array ();
  size_t i;

  json_add_known (object, "name", disk->name);
  json_add_known (object, "node", disk->node);
  json_add_known (object, "driver", disk->driver);
  json_add_known (object, "filename", disk->filename);
  json_add_u64 (object, "size", disk->size);
  json_add_bool (object, "empty", disk->empty);
  json_add_bool (object, "read-only", disk->read_only);
  json_add_known (object, "unusable", checkpoint_disks_unusable (disk));
  for (i = 0; i < disk->n_bitmaps; i++)
    json_object_array_add (bitmaps, show_bitmap (&disk->bitmaps[i]));
  json_object_object_add (object, "bitmaps", bitmaps);
  return object;
}

json_object *
requests_show_xml (char *text)
{
  json_object *reply = json_object_new_object ();

  json_add_known (reply, "xml", text);
  g_free (text);
  return reply;
}

json_object *
requests_show_all (struct domain_registry *registry, const char *key,
                   void (*add) (struct domain *domain, void *list))
{
  json_object *list = json_object_new_array ();
  json_object *result = json_object_new_object ();

  domain_registry_each (registry, add, list);
  json_object_object_add (result, key, list);
  return result;
}
