/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What several replies hold. */
#include <config.h>

#include <glib.h>

#include "requests-show.h"

void
requests_show_text (json_object *object, const char *key, const char *text)
{
  if (text != NULL)
    json_object_object_add (object, key, json_object_new_string (text));
}

static void
show_number (json_object *object, const char *key, uint64_t number)
{
  json_object_object_add (object, key, json_object_new_uint64 (number));
}

static void
show_flag (json_object *object, const char *key, bool flag)
{
  json_object_object_add (object, key, json_object_new_boolean (flag));
}

json_object *
requests_show_checkpoint (const struct checkpoint *c)
{
  json_object *object = json_object_new_object ();
  json_object *disks = json_object_new_array ();
  size_t i;

  requests_show_text (object, "name", c->name);
  requests_show_text (object, "parent", c->parent);
  requests_show_text (object, "description", c->description);
  requests_show_text (object, "consumer", c->consumer);
  requests_show_text (object, "state", catalog_checkpoint_state (c->state));
  json_object_object_add (object, "creation-time",
                          json_object_new_int64 (c->creation_time));
  for (i = 0; i < c->n_disks; i++) {
    json_object *disk = json_object_new_object ();

    requests_show_text (disk, "name", c->disks[i].name);
    requests_show_text (disk, "bitmap", c->disks[i].bitmap);
    show_number (disk, "size", c->disks[i].size);
    show_flag (disk, "gap-before", c->disks[i].gap_before);
    requests_show_text (disk, "lost", c->disks[i].lost);
    json_object_array_add (disks, disk);
  }
  json_object_object_add (object, "disks", disks);
  return object;
}

static json_object *
show_bitmap (const struct qmp_bitmap *bitmap)
{
  json_object *object = json_object_new_object ();

  requests_show_text (object, "name", bitmap->name);
  show_number (object, "dirty-bytes", bitmap->count);
  show_number (object, "granularity", bitmap->granularity);
  show_flag (object, "recording", bitmap->recording);
  show_flag (object, "busy", bitmap->busy);
  show_flag (object, "persistent", bitmap->persistent);
  show_flag (object, "inconsistent", bitmap->inconsistent);
  return object;
}

json_object *
requests_show_disk (const struct qmp_disk *disk)
{
  json_object *object = json_object_new_object ();
  json_object *bitmaps = json_object_new_array ();
  size_t i;

  requests_show_text (object, "name", disk->name);
  requests_show_text (object, "node", disk->node);
  requests_show_text (object, "driver", disk->driver);
  requests_show_text (object, "filename", disk->filename);
  show_number (object, "size", disk->size);
  show_flag (object, "empty", disk->empty);
  show_flag (object, "read-only", disk->read_only);
  for (i = 0; i < disk->n_bitmaps; i++)
    json_object_array_add (bitmaps, show_bitmap (&disk->bitmaps[i]));
  json_object_object_add (object, "bitmaps", bitmaps);
  return object;
}

json_object *
requests_show_xml (char *text)
{
  json_object *reply = json_object_new_object ();

  requests_show_text (reply, "xml", text);
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
