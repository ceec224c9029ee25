/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All files of a restore are named here, by the folder that the daemon that began it
 * had. */
#include <config.h>

#include <unistd.h>

#include "restore-instant.h"
#include "restore-model.h"
#include "restore-source.h"

static void
image_destroy (void *data)
{
  struct restore_image *image = data;

  restore_target_close (image->target);
  if (image->fd >= 0)
    close (image->fd);
  g_free (image->node);
  g_free (image->qdev);
  g_free (image->disk);
  g_free (image->path);
  g_free (image->format);
  g_free (image->identity);
  g_free (image->name);
  g_free (image->from);
  restore_range_free (image->range);
  restore_source_destroy (image->source);
  g_free (image);
}

char *
restore_model_file (const struct restore *restore, const char *name,
                    const char *kind)
{
  return g_strdup_printf ("%s/%s.%s", restore->folder, name, kind);
}

static void
free_folder (struct restore *restore)
{
  g_free (restore->routes);
  g_free (restore->plugin_socket);
  g_free (restore->storage_socket);
  g_free (restore->monitor);
  g_free (restore->client_socket);
  g_free (restore->folder);
}

void
restore_model_set_folder (struct restore *restore, const char *folder)
{
  free_folder (restore);
  restore->folder = g_strdup (folder);
  restore->client_socket = restore_model_file (restore, "nbd", "sock");
  restore->plugin_socket = restore_model_file (restore, "plugin", "sock");
  restore->storage_socket = restore_model_file (restore, "storage", "sock");
  restore->monitor = restore_model_file (restore, "monitor", "sock");
  restore->routes = restore_model_file (restore, "routes", "json");
  restore->front.socket = restore->client_socket;
}

char *
restore_model_folder (const char *name,
                      const struct restore_settings *settings)
{
  return g_strdup_printf ("%s/.restore/%s", settings->runtime, name);
}

struct restore *
restore_model_create (const char *name,
                      const struct restore_settings *settings)
{
  struct restore *restore = g_new0 (struct restore, 1);
  g_autofree char *folder = NULL;

  restore->name = g_strdup (name);
  restore->id = g_uuid_string_random ();
  restore->settings = settings;
  restore->started = g_get_real_time () / G_USEC_PER_SEC;
  restore->images = g_ptr_array_new_with_free_func (image_destroy);
  restore->journal = g_strdup_printf ("%s/.restore/%s.json", settings->state,
                                      name);
  folder = restore_model_folder (name, settings);
  restore_model_set_folder (restore, folder);
  return restore;
}

void
restore_model_destroy (struct restore *restore)
{
  if (restore == NULL)
    return;
  restore_instant_destroy (restore->instant);
  g_ptr_array_unref (restore->images);
  json_object_put (restore->published);
  json_object_put (restore->definition);
  g_free (restore->front.host);
  g_free (restore->front.port);
  g_free (restore->reason);
  free_folder (restore);
  g_free (restore->journal);
  g_free (restore->id);
  g_free (restore->boot);
  g_free (restore->since);
  g_free (restore->qemu);
  g_free (restore->name);
  g_free (restore);
}

struct restore_image *
restore_model_add_image (struct restore *restore, const char *disk,
                         const char *path, bool create)
{
  struct restore_image *image = g_new0 (struct restore_image, 1);

  image->fd = -1;
  image->disk = g_strdup (disk);
  image->path = g_strdup (path);
  image->create = create;
  g_ptr_array_add (restore->images, image);
  return image;
}

void
restore_model_note_fds (struct restore *restore, const int *more_fds,
                        size_t n)
{
  struct restore_image *image;

  for (size_t i = 0; i < n; i++)
    FOR_EACH_RESTORE_IMAGE (restore, image)
      if (restore_target_io_fd (image->target) == more_fds[i])
        image->io_number = PROCESS_CHILD_MORE + (int) i;
      else if (restore_target_lock_fd (image->target) == more_fds[i])
        image->lock_number = PROCESS_CHILD_MORE + (int) i;
}

bool
restore_model_is_half (const struct restore *restore)
{
  const struct restore_image *image;

  FOR_EACH_RESTORE_IMAGE (restore, image)
    if (image->half)
      return true;
  return false;
}
