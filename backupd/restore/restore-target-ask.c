/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every errand gets the target's record, and its descriptors.  What one of them changes is on
 * disk: of the target nothing changes but by its opening. */
#include <config.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "json-members.h"
#include "log.h"
#include "restore-errand.h"
#include "restore-target-private.h"

/* --- opening ---------------------------------------------------------------- */

static void
add_list (json_object *words, const char *key, const char *const *list)
{
  json_object *array = json_object_new_array ();

  if (list == NULL) {
    json_object_put (array);
    return;
  }
  for (; *list != NULL; list++)
    json_object_array_add (array, json_object_new_string (*list));
  json_object_object_add (words, key, array);
}

static json_object *
words_of (const struct restore_target_spec *spec)
{
  json_object *words = json_with ("restore", spec->restore);

  json_add_string (words, "path", spec->path);
  json_add_string (words, "format", spec->format);
  json_add_bool (words, "create", spec->create);
  json_add_bool (words, "take-over", spec->take_over);
  json_add_u64 (words, "size", spec->size);
  add_list (words, "options", spec->options);
  add_list (words, "folders", spec->folders);
  return words;
}

static void
take_backing (struct restore_target *target, json_object *formats,
              const int *fds)
{
  for (size_t i = 0; i < json_length (formats); i++) {
    json_object *format = json_object_array_get_idx (formats, i);

    restore_chain_add (&target->chain, (struct restore_layer) {
                         .fd = fds[i], .path = NULL,
                         .format = g_strdup (json_object_get_string (format))
                       });
  }
}

/* Takes the descriptors. */
static int
target_of (const struct restore_answer *answer, struct restore_target **ret,
           struct failure *why)
{
  json_object *formats = json_get_array (answer->words, "backing");
  struct restore_target *target;
  int r = answer->n_fds != RESTORE_ERRAND_N + json_length (formats) ? -EPROTO
          : restore_target_from_record (json_get_object (answer->words,
                                                         "record"),
                                        &target, NULL);

  if (r < 0)
    return failure_set (why, FAILURE_GENERIC, -r, "what was told of an image "
                        "that was opened is not understood");
  target->marked_by = g_strdup (json_get_string (answer->words, "marked-by"));
  target->lock_fd = answer->fds[RESTORE_ERRAND_LOCK];
  target->io_fd = answer->fds[RESTORE_ERRAND_IO];
  target->place.fd = answer->fds[RESTORE_ERRAND_FOLDER];
  take_backing (target, formats, answer->fds + RESTORE_ERRAND_N);
  *ret = target;
  return 0;
}

int
restore_target_open (const struct restore_target_spec *spec,
                     struct restore_target **target, struct failure *why)
{
  CLEANUP_JSON json_object *words = words_of (spec), *said = NULL;
  struct restore_answer answer = { .n_fds = 0 };
  int r = restore_errand_run (&(struct restore_errand) {
                                .verb = "open", .restore = spec->restore,
                                .path = spec->path, .words = words,
                                .fds = { -1, -1, -1 } }, &answer, why);

  if (r < 0)
    return r;
  said = answer.words;
  r = target_of (&answer, target, why);
  for (size_t i = 0; r < 0 && i < answer.n_fds; i++)
    close (answer.fds[i]);
  return r;
}

/* --- its life ------------------------------------------------------------------ */

static int
ask_for (const struct restore_target *target, const char *verb, bool undoes,
         json_object **said, struct failure *why)
{
  CLEANUP_JSON json_object *words = restore_target_record (target);
  struct restore_answer answer = { .n_fds = 0 };
  int r = restore_errand_run (&(struct restore_errand) {
                                .verb = verb, .restore = target->restore,
                                .path = target->place.path, .words = words,
                                .fds = { target->lock_fd, target->io_fd,
                                         target->place.fd },
                                .undoes = undoes }, &answer, why);

  if (r == 0 && said != NULL)
    *said = answer.words;
  else
    json_object_put (answer.words);
  return r;
}

/* A block device is marked by the journal alone. */
static bool
has_mark (const struct restore_target *target)
{
  return !restore_target_is_new (target) && !target->block;
}

int
restore_target_mark (struct restore_target *target, struct failure *why)
{
  return has_mark (target) ? ask_for (target, "mark", false, NULL, why) : 0;
}

int
restore_target_unmark (struct restore_target *target, struct failure *why)
{
  return has_mark (target) ? ask_for (target, "unmark", true, NULL, why) : 0;
}

int
restore_target_sync (struct restore_target *target, struct failure *why)
{
  return ask_for (target, "sync", false, NULL, why);
}

/* One that only looks is asked again once, where it was killed. */
static int
look (const struct restore_target *target, const char *verb,
      struct failure *why)
{
  struct failure killed = { .error = 0 };
  int r = ask_for (target, verb, false, NULL, &killed);

  if (r == -ECHILD)
    return ask_for (target, verb, false, NULL, why);
  if (r < 0)
    *why = killed;
  return r;
}

int
restore_target_check_alone (const struct restore_target *target,
                            struct failure *why)
{
  return look (target, "check-alone", why);
}

int
restore_target_check_name (const struct restore_target *target,
                           struct failure *why)
{
  return look (target, "check-name", why);
}

int
restore_target_publish (struct restore_target *target, struct failure *why)
{
  return restore_target_is_new (target)
         ? ask_for (target, "publish", true, NULL, why) : 0;
}

int
restore_target_discard (struct restore_target *target, struct failure *why)
{
  return restore_target_is_new (target)
         ? ask_for (target, "discard", true, NULL, why) : 0;
}

/* Who closes a file or device last may have to write it back, or to free what it took. */
void
restore_target_close (struct restore_target *target)
{
  struct failure why = { .error = 0 };
  CLEANUP_JSON json_object *words = NULL;

  if (target != NULL && target->lock_fd >= 0) {
    words = json_object_new_object ();
    if (restore_errand_run (&(struct restore_errand) {
                              .verb = "close", .restore = target->restore,
                              .path = target->place.path, .words = words,
                              .fds = { target->lock_fd, target->io_fd, -1 },
                              .gives = true, .undoes = true }, NULL, &why) < 0)
      log_warning ("%s", why.text);
    target->lock_fd = target->io_fd = -1;
  }
  restore_target_here_close (target);
}

/* --- what is no target yet, or any more ------------------------------------------- */

int
restore_target_identify (struct restore_target *target,
                         char identity[FILE_IDENTITY_SIZE],
                         struct failure *why)
{
  CLEANUP_JSON json_object *said = NULL;
  int r = ask_for (target, "identify", false, &said, why);
  const char *found = r < 0 ? NULL : json_get_string (said, "identity");

  if (found != NULL)
    g_strlcpy (identity, found, FILE_IDENTITY_SIZE);
  return r;
}

int
restore_target_folder (const char *restore, const char *path, ino_t *folder,
                       struct failure *why)
{
  CLEANUP_JSON json_object *words = json_with ("path", path), *said = NULL;
  struct restore_answer answer = { .n_fds = 0 };
  int r = restore_errand_run (&(struct restore_errand) {
                                .verb = "folder", .restore = restore,
                                .path = path, .words = words,
                                .fds = { -1, -1, -1 } }, &answer, why);

  said = answer.words;
  if (r == 0)
    *folder = json_get_u64 (said, "folder");
  return r;
}

int
restore_target_remove_unknown (const char *restore, const char *path,
                               ino_t folder, struct failure *why)
{
  CLEANUP_JSON json_object *words = json_with ("path", path);

  json_add_string (words, "restore", restore);
  json_add_u64 (words, "folder", folder);
  return restore_errand_run (&(struct restore_errand) {
                               .verb = "remove-unknown", .restore = restore,
                               .path = path, .words = words,
                               .fds = { -1, -1, -1 }, .undoes = true },
                             NULL, why);
}
