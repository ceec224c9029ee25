/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An instant restore that does not run goes on where it was: by the same words with which it was
 * begun, as nothing but these says what its images are read from. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "restore-again.h"
#include "restore-go-on.h"
#include "restore-instant.h"
#include "restore-plan.h"
#include "restore-registry.h"
#include "restore-source.h"
#include "restore-storage.h"

bool
restore_again_close (const char *name)
{
  struct failure why = { .error = 0 };
  struct restore *restore;
  bool stays;

  if (restore_registry_take (name, "ending", &restore, &why) < 0)
    return false;
  stays = restore->instant != NULL && !restore->ending &&
          restore->phase == RESTORE_PHASE_WRITABLE;
  if (stays)
    restore_go_on_suspend (restore);
  restore_registry_release (restore, false, NULL, NULL);
  return stays;
}

static bool
is_same (const struct restore *restore, const struct restore *other)
{
  const struct restore_image *image, *there;
  guint n = 0;

  FOR_EACH_RESTORE_IMAGE (other, image) {
    there = n < restore->images->len ? restore->images->pdata[n] : NULL;
    n++;
    if (there == NULL || strcmp (image->disk, there->disk) != 0 ||
        strcmp (image->path, there->path) != 0 ||
        strcmp (restore_source_text (image->source),
                restore_source_text (there->source)) != 0 ||
        strcmp (restore_source_format (image->source),
                restore_source_format (there->source)) != 0)
      return false;
  }
  return n == restore->images->len;
}

static int
check_same (const struct restore *restore,
            const struct arguments_restore_begin *given, struct failure *why)
{
  struct restore *asked = restore_model_create (restore->name,
                                                restore->settings);
  int r;

  asked->given = given;
  r = restore_plan_images (asked, NULL, NULL, why);
  if (r == 0 && !is_same (restore, asked))
    r = failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "the restore %s has "
                     "other images or sources: begin it again with those it "
                     "had, which restore-info shows, or abort it",
                     restore->name);
  restore_model_destroy (asked);
  return r;
}

static int
begin_again (struct restore *restore,
             const struct arguments_restore_begin *given, struct failure *why)
{
  g_autofree char *broken = NULL;
  bool dead = restore->instant != NULL &&
              restore->phase == RESTORE_PHASE_WRITABLE && !restore->ending;
  int r;

  if (dead)
    broken = restore_instant_broken (restore->instant);
  dead = dead && (restore->broken || broken != NULL ||
                  restore_instant_is_interrupted (restore) ||
                  restore_storage_is_lost (restore));
  if (!dead)
    return failure_set (why, FAILURE_EXISTS, EEXIST, "there is a restore %s: "
                        "commit or abort it, or use another name",
                        restore->name);
  r = check_same (restore, given, why);
  if (r < 0)
    return r;
  g_free (restore->instant->tcp);
  restore->instant->tcp = g_strdup (given->tcp);
  if (!restore_instant_is_interrupted (restore))
    restore_go_on_suspend (restore);
  r = restore_go_on_resume (restore, why);
  restore_registry_set_reason (restore, false, r < 0 ? why->text : NULL);
  return r;
}

int
restore_again_begin (const struct arguments_restore_begin *given,
                             const char *name, json_object **info,
                             struct failure *why)
{
  struct restore *restore;
  int r = restore_registry_take (name, "beginning", &restore, why);

  if (r < 0)
    return r;
  if (restore->phase == RESTORE_PHASE_HALF) {
    restore_registry_release (restore, false, NULL, NULL);
    return -ENOENT;
  }
  r = begin_again (restore, given, why);
  restore_registry_release (restore, false, NULL, r == 0 ? info : NULL);
  return r;
}
