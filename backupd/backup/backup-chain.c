/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which images count says QEMU's graph, not what their headers name: a node may
 * have been given another backing or data file, or none, when it was opened.
 * What QEMU tells of each is compared with what is in the file that was found
 * under its name, so that names which were exchanged meanwhile are noticed. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "backup-chain.h"
#include "backup-image.h"
#include "checked-math.h"
#include "log.h"
#include "qcow2-scan.h"
#include "qmp-chain.h"

/* GRANULE_DEFAULT is so many bytes. */
#define GRANULE_BITS 16

static bool
is_format (const char *format, const char *name)
{
  return strcmp (format, name) == 0;
}

/* Does the INDEXth of LAYERS belong to the top image, which QEMU writes? */
static bool
is_top (const GPtrArray *layers, guint index)
{
  const struct qmp_layer *layer = g_ptr_array_index (layers, index);

  return index == 0 || (index == 1 && is_format (layer->format, "data"));
}

static bool
is_open_already (const struct backup_disk *disk,
                 const struct backup_image *image)
{
  const struct backup_image *other;

  FOR_EACH_IMAGE (disk, other)
    if (other != image && strcmp (other->id, image->id) == 0)
      return true;
  return false;
}

static const struct qmp_layer *
layer_at (const GPtrArray *layers, guint index)
{
  return index < layers->len ? g_ptr_array_index (layers, index) : NULL;
}

/* What is odd about a qcow2 image; NULL: nothing. */
static const char *
check_qcow2 (const struct backup_image *image, const GPtrArray *layers,
             guint index)
{
  const struct qmp_layer *layer = layer_at (layers, index);
  const struct qmp_layer *next = layer_at (layers, index + 1);
  struct qcow2_header header;
  const char *what = NULL;
  bool has_data;

  if (qcow2_probe (image->fd, &header, &what) < 0)
    return what;
  has_data = next != NULL && is_format (next->format, "data");
  if (header.size != layer->size || header.has_data_file != has_data)
    return "is not the image that QEMU tells of";
  if (header.has_backing && index + 1 + has_data == layers->len)
    return "names a backing file that QEMU has not opened";
  return NULL;
}

static const char *
check_layer (const struct backup_disk *disk, const struct backup_image *image,
             const GPtrArray *layers, guint index)
{
  const struct qmp_layer *layer = layer_at (layers, index);
  bool top = is_top (layers, index);

  if (is_open_already (disk, image))
    return "is in it twice";
  /* What is held back of one that is below nobody writes out. */
  if (!top && !layer->read_only && !is_format (layer->format, "data"))
    return "is a backing image that QEMU may write";
  if (top && !image->can_be_written &&
      !((const struct qmp_layer *) layer_at (layers, 0))->read_only)
    return "is not open for writing";
  if (is_format (layer->format, "qcow2"))
    return check_qcow2 (image, layers, index);
  if (is_format (layer->format, "raw") &&
      round_up_pow2 (image->size, 512) != layer->size)
    return "has not the size that QEMU tells of";
  return NULL;
}

static int
open_layer (const struct backup *backup, struct backup_disk *disk,
            const GPtrArray *layers, guint index, struct failure *why)
{
  const struct qmp_layer *layer = layer_at (layers, index);
  struct backup_image *image;
  const char *what;
  int r = backup_image_find (backup->vm.survey, layer->filename, &image, &what);

  if (r < 0)
    return failure_set (why, FAILURE_STORAGE, -r, "%s: %s: %s",
                        layer->filename, what, g_strerror (-r));
  image->format = layer->format;
  image->node = g_strdup (layer->node);
  image->file = g_strdup (layer->file);
  image->never_flushed = layer->never_flushed;
  g_ptr_array_add (disk->images, image);
  what = check_layer (disk, image, layers, index);
  return what == NULL ? 0
         : failure_set (why, FAILURE_STORAGE, EINVAL, "%s %s",
                        layer->filename, what);
}

static int
open_layers (const struct backup *backup, struct backup_disk *disk,
             struct failure *why)
{
  g_autoptr (GPtrArray) layers = NULL;
  int r = qmp_chain_find (backup->vm.survey, disk->node, &layers, why);

  for (guint i = 0; r == 0 && i < layers->len; i++)
    r = open_layer (backup, disk, layers, i, why);
  return r;
}

bool
backup_chain_open (const struct backup *backup, struct backup_disk *disk,
                   const struct qmp_disk *live)
{
  struct failure why = { .error = 0 };

  if (strcmp (live->driver, "qcow2") != 0)
    return false;
  if (open_layers (backup, disk, &why) == 0)
    return true;
  g_ptr_array_set_size (disk->images, 0);
  log_disk_info (disk->name, "disk %s goes through QEMU (process %d): %s",
                 disk->name, (int) backup->vm.pid, why.text);
  return false;
}

/* Rule D2. */
static int
image_needs_qemu (const struct backup_image *image, bool top)
{
  struct qcow2_header header;
  const char *what;
  int r = qcow2_probe (image->fd, &header, &what);

  if (r == 0)
    r = qcow2_has_compressed (image->fd, &header);
  return r != 0 || !top ? r
         : qcow2_may_free (image->fd, &header, GRANULE_BITS);
}

int
backup_chain_needs_qemu (const struct backup_disk *disk)
{
  struct backup_image *image;
  int r = 0;

  FOR_EACH_IMAGE (disk, image)
    if (r == 0 && is_format (image->format, "qcow2"))
      r = image_needs_qemu (image, k_ == 0);
  return r;
}

bool
backup_chain_has_tables (const struct backup_disk *disk)
{
  const struct backup_image *top = disk->images->len == 0 ? NULL
                                   : g_ptr_array_index (disk->images, 0);

  return top != NULL && top->format != NULL;
}

void
backup_chain_tell (const struct backup_disk *disk, GPtrArray *arguments,
                   GArray *descriptors, unsigned first)
{
  GString *key = g_string_new ("chain=");
  struct backup_image *image;

  FOR_EACH_IMAGE (disk, image) {
    g_string_append_printf (key, "%s%s:%u:%s", k_ == 0 ? "" : ",",
                            image->format, first + descriptors->len,
                            image->id);
    g_array_append_val (descriptors, image->fd);
  }
  g_ptr_array_add (arguments, g_string_free (key, FALSE));
}

static bool
is_as_it_was (const struct backup_disk *disk, const GPtrArray *layers)
{
  struct backup_image *image;

  if (layers->len != disk->images->len)
    return false;
  FOR_EACH_IMAGE (disk, image) {
    const struct qmp_layer *layer = g_ptr_array_index (layers, k_);

    if (g_strcmp0 (image->format, image->format == NULL ? NULL
                                  : layer->format) != 0 ||
        strcmp (layer->node, image->node) != 0 ||
        (image->file != NULL && strcmp (layer->file, image->file) != 0))
      return false;
  }
  return true;
}

void
backup_chain_note_raw (const struct backup *backup, struct backup_disk *disk)
{
  struct backup_image *image = g_ptr_array_index (disk->images, 0);
  g_autoptr (GPtrArray) layers = NULL;
  const struct qmp_layer *layer;

  if (qmp_chain_find (backup->vm.survey, disk->node, &layers, NULL) < 0)
    return;
  layer = layer_at (layers, 0);
  image->node = g_strdup (layer->node);
  image->file = g_strdup (layer->file);
}

char *
backup_chain_problem (const struct backup *backup,
                      const struct backup_disk *disk)
{
  g_autoptr (GPtrArray) layers = NULL;
  struct failure why = { .error = 0 };
  struct backup_image *image;
  char *problem = NULL;

  FOR_EACH_IMAGE (disk, image)
    if (problem == NULL)
      problem = backup_image_problem (image, disk->name, backup->vm.survey);
  image = g_ptr_array_index (disk->images, 0);
  if (problem != NULL || image->node == NULL)
    return problem;
  if (qmp_chain_find (backup->vm.survey, disk->node, &layers, &why) == 0 &&
      is_as_it_was (disk, layers))
    return NULL;
  return g_strdup_printf ("QEMU has other images below disk %s than when the "
                          "backup began", disk->name);
}
