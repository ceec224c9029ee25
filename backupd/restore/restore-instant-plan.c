/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an instant restore is asked for.  Its image has no backing file in its header, so
 * that an option by which QEMU gives clusters a place beforehand would hide the source. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "restore-instant-plan.h"
#include "restore-instant.h"
#include "restore-source.h"

#define SECTOR 512
#define SOURCE_MS 10000

static const char *const allowed[] = {
  "cluster_size=", "extended_l2=", "compression_type=", NULL
};

static int
check_options (const struct control_list *options, struct failure *why)
{
  for (size_t i = 0; i < options->n; i++) {
    const char *option = control_list_at (options, i);
    const char *const *known = allowed;

    while (*known != NULL && !g_str_has_prefix (option, *known))
      known++;
    if (*known == NULL)
      return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "the image of an "
                          "instant restore takes the options cluster_size, "
                          "extended_l2 and compression_type, not %s", option);
  }
  return 0;
}

int
restore_instant_plan_check (const struct arguments_restore_begin *given,
                             struct failure *why)
{
  if (!given->instant)
    return given->sources.n == 0 && given->source_format == NULL &&
           given->max_rate < 0 ? 0
           : failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "--source, "
                          "--source-format and --max-rate are for --instant");
  if (given->sources.n == 0)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "--instant needs "
                        "--source: the backup that is to be shown");
  if (given->format != NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "--instant makes new "
                        "images, and --format is for those that exist: what the "
                        "source is says --source-format");
  if (given->create != NULL && strcmp (given->create, "qcow2") != 0)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "--instant makes "
                        "qcow2 images, not %s: convert it when the restore is "
                        "committed", given->create);
  if (given->differing_from.n > 0 || given->since != NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "--instant has its "
                        "data from --source: --differing-from and --since are "
                        "for other restores");
  return check_options (&given->options, why);
}

/* --- sources ------------------------------------------------------------------- */

static struct restore_image *
find_image (const struct restore *restore, const char *name, size_t length)
{
  struct restore_image *image;

  FOR_EACH_RESTORE_IMAGE (restore, image)
    if (length == 0 ? restore->images->len == 1
        : strlen (image->disk) == length &&
          strncmp (image->disk, name, length) == 0)
      return image;
  return NULL;
}

static int
add_source (const struct restore *restore, const char *spec,
            struct failure *why)
{
  const char *text;
  size_t length = control_image_split (spec, &text);
  struct restore_image *image = find_image (restore, spec, length);
  bool remote = control_source_is_uri (text);

  if (image == NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, length == 0
                        ? "--source %s: there are several images: say --source "
                        "DISK=SOURCE" : "--source %s: there is no image of that "
                        "name", spec);
  if (image->source != NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "%s has two sources, "
                        "%s and %s", image->disk,
                        restore_source_text (image->source), text);
  return restore_source_create (text, remote ? NULL
                                : restore->given->source_format,
                                &image->source, why);
}

int
restore_instant_plan_images (struct restore *restore, struct failure *why)
{
  const struct control_list *sources = &restore->given->sources;
  const struct restore_image *image;
  int r = 0;

  if (!restore->given->instant)
    return 0;
  for (size_t i = 0; r == 0 && i < sources->n; i++)
    r = add_source (restore, control_list_at (sources, i), why);
  if (r < 0)
    return r;
  FOR_EACH_RESTORE_IMAGE (restore, image)
    if (image->source == NULL)
      return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "%s has no "
                          "--source", image->disk);
  restore_instant_create (restore, restore->given->tcp,
                          restore->given->max_rate);
  return 0;
}

int
restore_instant_plan_target (const struct restore *restore,
                         struct restore_image *image,
                         struct restore_target_spec *spec, struct failure *why)
{
  uint64_t least;
  int r;

  if (image->source == NULL)
    return 0;
  r = restore_source_open (image->source, image->path,
                           restore->settings->folders, SOURCE_MS, why);
  if (r < 0)
    return r;
  least = (restore_source_size (image->source) + SECTOR - 1) / SECTOR * SECTOR;
  if (restore->given->size >= 0 && spec->size < least)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "the source %s has "
                        "%llu bytes, and the disk is to have %llu: it cannot be "
                        "smaller", restore_source_text (image->source),
                        (unsigned long long) least,
                        (unsigned long long) spec->size);
  spec->format = "qcow2";
  spec->size = MAX (spec->size, least);
  return 0;
}
