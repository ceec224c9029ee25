/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What can be refused without looking at any image is refused here. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "name.h"
#include "restore-changed.h"
#include "restore-copy.h"
#include "restore-definition.h"
#include "restore-instant-plan.h"
#include "restore-plan.h"

#define IMAGES_MAX 26           /* vda to vdz */
#define DISKS_MAX 256

int
restore_plan_name (const struct arguments_restore_begin *given, char **name,
                   struct failure *why)
{
  g_autofree char *base = NULL;
  const char *path;

  if (given->as != NULL || given->name != NULL) {
    *name = g_strdup (given->as != NULL ? given->as : given->name);
    return 0;
  }
  if (given->images.n == 0)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "say which domain is "
                        "to be restored, or --image with what");
  (void) control_image_split (control_list_at (&given->images, 0), &path);
  base = g_path_get_basename (path);
  base[strcspn (base, ".")] = '\0';
  if (!name_is_domain (base))
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "%s does not give "
                        "the restore a name: say which, before --image", path);
  *name = g_steal_pointer (&base);
  return 0;
}

/* What a domain's disks are is not for GIVEN to say. */
static int
check_domain (const struct arguments_restore_begin *given,
              const struct restore_disks *disks, struct failure *why)
{
  const char *other = disks->definition != NULL ? NULL
                      : given->format != NULL ? "format"
                      : given->create != NULL ? "create"
                      : given->size >= 0 ? "size"
                      : given->instant ? "instant"
                      : given->options.n > 0 ? "option" : NULL;

  if (other != NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "--%s is for images, "
                        "which --image names: the disks of the domain %s are "
                        "what they are", other, given->name);
  if (disks->qemu != NULL && given->since != NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, ENOTSUP, "--since is for "
                        "images that no QEMU has: --differing-from finds what "
                        "differs in any case");
  if (disks->n == 0 || disks->n > DISKS_MAX)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "the domain %s has "
                        "%zu disks that can be restored, and a restore has 1 to "
                        "%d: choose by --disk", given->name != NULL
                        ? given->name : given->as, disks->n, DISKS_MAX);
  return 0;
}

static int
check_images (const struct arguments_restore_begin *given, struct failure *why)
{
  int r = restore_instant_plan_check (given, why);

  if (given->disks.n > 0)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "--disk is for the "
                        "disks of a domain: with --image, say --image "
                        "DISK=FILE");
  if (given->images.n > IMAGES_MAX)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "a restore has 1 to "
                        "%d images", IMAGES_MAX);
  if (r < 0 || given->instant)
    return r;
  if ((given->format == NULL) == (given->create == NULL))
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "say either --format, "
                        "what the images are that exist, or --create");
  if (given->create != NULL && strcmp (given->create, "raw") != 0 &&
      strcmp (given->create, "qcow2") != 0)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "--create makes raw "
                        "or qcow2 images, not %s", given->create);
  if (given->create != NULL && given->size < 0)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "--create needs "
                        "--size, how large the disk is to be");
  if (given->create == NULL && given->options.n > 0)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "--option is for "
                        "images that --create makes");
  return 0;
}

static int
add_image (struct restore *restore, const char *spec, size_t i,
           struct failure *why)
{
  const char last[] = { (char) ('a' + i), '\0' };
  const char *path;
  size_t length = control_image_split (spec, &path);
  g_autofree char *disk = length > 0 ? g_strndup (spec, length)
                          : g_strconcat ("vd", last, NULL);
  const struct restore_image *other;

  FOR_EACH_RESTORE_IMAGE (restore, other)
    if (strcmp (other->disk, disk) == 0)
      return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "both %s and %s "
                          "are called %s: say --image DISK=FILE", other->path,
                          path, disk);
  restore_model_add_image (restore, disk, path,
                           restore->given->create != NULL ||
                           restore->given->instant);
  return 0;
}

static void
add_disk (struct restore *restore, const struct restore_disk *disk)
{
  struct restore_image *image =
    restore_model_add_image (restore, disk->name, disk->path,
                             disk->create);

  image->format = g_strdup (disk->format);
  image->node = g_strdup (disk->node);
  image->qdev = g_strdup (disk->qdev);
  image->size = disk->size;
  if (disk->node != NULL && disk->fd >= 0)
    image->fd = fcntl (disk->fd, F_DUPFD_CLOEXEC, 0);
}

/* The one that is to be what HALF was to be; NULL: there is none. */
static struct restore_image *
same_image (const struct restore *restore, const struct restore_image *half)
{
  const char *path = restore_target_path (half->target);
  struct restore_image *image;

  FOR_EACH_RESTORE_IMAGE (restore, image)
    if (!image->create &&
        (strcmp (image->path, half->path) == 0 ||
         strcmp (image->path, path) == 0))
      return image;
  return NULL;
}

static int
take_over (struct restore *restore, const struct restore *earlier,
           struct failure *why)
{
  struct restore_image *half;

  FOR_EACH_RESTORE_IMAGE (earlier, half)
    if (half->half && same_image (restore, half) == NULL)
      return failure_set (why, FAILURE_BUSY, EBUSY, "%s is half restored by %s: "
                          "restore it as well, or give it up by restore-abort "
                          "%s --forget, or use another name",
                          restore_target_path (half->target), restore->name,
                          restore->name);
  FOR_EACH_RESTORE_IMAGE (earlier, half)
    if (half->half) {
      struct restore_image *image = same_image (restore, half);

      image->half = true;
      image->target = TAKE_PTR (half->target);
    }
  return 0;
}

int
restore_plan_images (struct restore *restore, const struct restore_disks *disks,
                     struct restore *earlier, struct failure *why)
{
  const struct control_list *images = &restore->given->images;
  int r = disks != NULL ? check_domain (restore->given, disks, why)
          : check_images (restore->given, why);

  for (size_t i = 0; r == 0 && disks == NULL && i < images->n; i++)
    r = add_image (restore, control_list_at (images, i), i, why);
  for (size_t i = 0; r == 0 && disks != NULL && i < disks->n; i++)
    add_disk (restore, &disks->disks[i]);
  if (disks != NULL && disks->qemu != NULL) {
    restore->qemu = g_strdup (disks->qemu);
    restore->awaited = disks->awaited;
    qmp_tag_make (restore->tag);
  }
  if (r == 0 && disks != NULL)
    restore_definition_set (restore, disks->definition);
  if (r == 0)
    r = restore_copy_plan (restore, why);
  if (r == 0)
    r = restore_changed_plan (restore, why);
  if (r == 0)
    r = restore_instant_plan_images (restore, why);
  return r == 0 && earlier != NULL ? take_over (restore, earlier, why) : r;
}
