/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Backing files are locked, as QEMU lets others write them while the image is exported. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "json-members.h"
#include "restore-chain.h"
#include "restore-format.h"
#include "restore-lock.h"
#include "restore-place.h"

static void
layer_clear (gpointer data)
{
  struct restore_layer *layer = data;

  if (layer->fd >= 0)
    close (layer->fd);
  g_free (layer->path);
  g_free (layer->format);
}

void
restore_chain_add (struct restore_chain *chain, struct restore_layer layer)
{
  if (chain->layers == NULL) {
    chain->layers = g_array_new (FALSE, TRUE, sizeof layer);
    g_array_set_clear_func (chain->layers, layer_clear);
  }
  g_array_append_val (chain->layers, layer);
}

void
restore_chain_close (struct restore_chain *chain)
{
  if (chain->layers != NULL)
    g_array_unref (chain->layers);
  chain->layers = NULL;
}

int
restore_chain_check_image (const char *path, json_object *info,
                           struct failure *why)
{
  json_object *data = json_get_object (json_get_object (info,
                                                        "format-specific"),
                                       "data");
  bool corrupt = json_get_bool (data, "corrupt");

  if (corrupt || json_get_bool (info, "dirty-flag"))
    return failure_set (why, FAILURE_STORAGE, EUCLEAN, "%s is marked as %s: "
                        "mend it by qemu-img check -r all first", path,
                        corrupt ? "corrupt" : "not closed properly");
  if (json_get_string (data, "data-file") != NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "%s has its data in "
                        "another file, %s, and cannot be restored to", path,
                        json_get_string (data, "data-file"));
  if (json_get_bool (info, "encrypted"))
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "%s is encrypted, "
                        "and cannot be restored to", path);
  return 0;
}

/* --- one layer ------------------------------------------------------------------- */

/* Where the backing file NAME of the image at PATH is; free with g_free. */
static int
locate (const char *path, const char *name, char **ret, struct failure *why)
{
  g_autofree char *folder = g_path_get_dirname (path);
  const char *colon = strchr (name, ':'), *slash = strchr (name, '/');

  if (g_str_has_prefix (name, "file:"))
    name += strlen ("file:");
  /* As QEMU has it: a protocol, or "json:". */
  else if (colon != NULL && (slash == NULL || colon < slash))
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "the backing file "
                        "of %s, %s, is no file of this host", path, name);
  *ret = name[0] == '/' ? g_strdup (name) : g_build_filename (folder, name,
                                                              NULL);
  return 0;
}

static int
open_layer (const char *of, const char *path, const char *const *folders,
            struct restore_layer *layer, struct failure *why)
{
  struct failure cause = { .error = 0 };
  struct restore_place place = { .fd = -1 };
  struct stat st;
  int fd, r = restore_place_open (path, false, folders, &place, &cause);

  if (r == -ENOENT)
    return failure_set (why, FAILURE_STORAGE, -r, "the backing file of %s, %s, "
                        "does not exist", of, path);
  if (r < 0)
    return failure_set (why, cause.class, -r, "the backing file of %s: %s", of,
                        cause.text);
  /* It may be a FIFO. */
  fd = restore_place_open_file (&place, O_RDONLY | O_NONBLOCK);
  if (fd >= 0 && fstat (fd, &st) == 0 && !S_ISREG (st.st_mode) &&
      !S_ISBLK (st.st_mode)) {
    close (fd);
    fd = -EINVAL;
  }
  layer->fd = fd;
  layer->path = g_strdup (place.path);
  restore_place_close (&place);
  return fd >= 0 ? 0 : failure_set (why, FAILURE_STORAGE, -fd, "the backing "
                                    "file of %s, %s, cannot be opened: %s", of,
                                    path, g_strerror (-fd));
}

static int
next_layer (const char *of, json_object *info, const char *const *folders,
            struct restore_layer *layer, struct failure *why)
{
  const char *name = json_get_string (info, "backing-filename");
  const char *format = json_get_string (info, "backing-filename-format");
  struct failure unused = { .error = 0 };
  g_autofree char *path = NULL;
  int r;

  if (format == NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "%s does not say "
                        "which format its backing file %s has: tell it by "
                        "qemu-img rebase -u -b %s -F FORMAT", of, name, name);
  r = locate (of, name, &path, why);
  if (r == 0)
    r = open_layer (of, path, folders, layer, why);
  if (r < 0)
    return r;
  layer->format = g_strdup (format);
  if (restore_format_check (format, &unused) < 0)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "the backing file "
                        "of %s, %s, has the format %s, which can lead to other "
                        "files: restore to a new image, by --create qcow2 or "
                        "--create raw", of, layer->path, format);
  return restore_format_compare (layer->fd, layer->path, format, why);
}

/* Is the file PATH the image OF itself, or a layer already? */
static bool
is_known (const struct restore_chain *chain, const char *of, const char *path)
{
  for (guint i = 0; i < chain->layers->len; i++)
    if (strcmp (g_array_index (chain->layers, struct restore_layer, i).path,
                path) == 0)
      return true;
  return strcmp (of, path) == 0;
}

/* The last file of the chain of the image OF so far. */
static const char *
last_path (const struct restore_chain *chain, const char *of)
{
  guint n = chain->layers->len;

  return n == 0 ? of : g_array_index (chain->layers, struct restore_layer,
                                      n - 1).path;
}

static int
lock_layer (const char *of, const struct restore_layer *layer,
            struct failure *why)
{
  int r = restore_lock_backing (layer->fd);
  g_autofree char *who = NULL;
  struct stat st;

  if (fstat (layer->fd, &st) < 0)
    return failure_set (why, FAILURE_STORAGE, errno, "%s cannot be looked at: "
                        "%s", layer->path, g_strerror (errno));
  who = r == -EAGAIN ? restore_lock_holder (&st)
        : S_ISBLK (st.st_mode) ? restore_lock_writer (&st, layer->path) : NULL;
  if (who == NULL && (r == 0 || r == -ENOTSUP))
    return 0;
  return failure_set (why, FAILURE_BUSY, EBUSY, "the backing file of %s, %s, is "
                      "being written by %s", of, layer->path, who != NULL ? who
                      : "a process that cannot be seen from here");
}

/* Adds the layer below the last one, of which INFO tells; that becomes what is said of the new
 * one, or NULL at the end of the chain. */
static int
add_layer (const char *of, json_object **info, const char *const *folders,
           struct restore_chain *chain, struct failure *why)
{
  struct restore_layer layer = { .fd = -1 };
  int r = next_layer (last_path (chain, of), *info, folders, &layer, why);

  json_object_put (*info);
  *info = NULL;
  if (r == 0 && is_known (chain, of, layer.path))
    r = failure_set (why, FAILURE_STORAGE, ELOOP, "the chain of backing files "
                     "of %s leads to itself by %s", of, layer.path);
  if (r == 0)
    r = lock_layer (last_path (chain, of), &layer, why);
  if (r < 0) {
    layer_clear (&layer);
    return r;
  }
  g_array_append_val (chain->layers, layer);
  if (strcmp (layer.format, "raw") == 0)
    return 0;
  r = restore_format_info (layer.fd, layer.path, layer.format, info, why);
  return r < 0 ? r : restore_chain_check_image (layer.path, *info, why);
}

int
restore_chain_open (const char *path, json_object *info,
                    const char *const *folders, struct restore_chain *ret,
                    struct failure *why)
{
  struct restore_chain chain = {
    g_array_new (FALSE, TRUE, sizeof (struct restore_layer))
  };
  json_object *next = json_object_get (info);
  int r = 0;

  g_array_set_clear_func (chain.layers, layer_clear);
  while (r == 0 && json_get_string (next, "backing-filename") != NULL)
    r = add_layer (path, &next, folders, &chain, why);
  json_object_put (next);
  if (r < 0)
    restore_chain_close (&chain);
  else
    *ret = chain;
  return r;
}
