/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The process of one errand: what restore-target-ask.c asks for is done here. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "json-members.h"
#include "log.h"
#include "restore-errand.h"
#include "restore-lock.h"
#include "restore-target-errand.h"
#include "restore-target-private.h"

/* What is said besides, and given. */
struct answer {
  json_object *words;
  int fds[RESTORE_ERRAND_FDS_MAX];
  size_t n_fds;
};

/* --- opening ---------------------------------------------------------------- */

/* Borrowed strings, with NULL behind them; NULL: there is no such list. */
static const char **
list_of (json_object *words, const char *key)
{
  json_object *array = json_get_array (words, key);
  const char **list = array == NULL ? NULL
                      : g_new0 (const char *, json_length (array) + 1);

  for (size_t i = 0; i < json_length (array); i++)
    list[i] = json_object_get_string (json_object_array_get_idx (array, i));
  return list;
}

static int
tell_target (const struct restore_target *target, struct answer *answer,
             struct failure *why)
{
  size_t n = restore_target_n_backing (target);
  json_object *formats = json_object_new_array ();

  json_object_object_add (answer->words, "backing", formats);
  if (n > RESTORE_ERRAND_FDS_MAX - RESTORE_ERRAND_N)
    return failure_set (why, FAILURE_BAD_ARGUMENT, E2BIG, "%s has too many "
                        "backing files: %zu", target->place.path, n);
  json_object_object_add (answer->words, "record",
                          restore_target_record (target));
  json_add_known (answer->words, "marked-by", target->marked_by);
  answer->fds[RESTORE_ERRAND_LOCK] = target->lock_fd;
  answer->fds[RESTORE_ERRAND_IO] = target->io_fd;
  answer->fds[RESTORE_ERRAND_FOLDER] = target->place.fd;
  answer->n_fds = RESTORE_ERRAND_N;
  for (size_t i = 0; i < n; i++) {
    answer->fds[answer->n_fds++] = restore_target_backing_fd (target, i);
    json_object_array_add (formats, json_object_new_string (
                             restore_target_backing_format (target, i)));
  }
  return 0;
}

/* The target is for the process's life. */
static int
act_open (json_object *words, struct answer *answer, struct failure *why)
{
  g_autofree const char **options = list_of (words, "options");
  g_autofree const char **folders = list_of (words, "folders");
  struct restore_target *target;
  int r = restore_target_here_open (&(struct restore_target_spec) {
                                      .restore = json_get_string (words,
                                                                  "restore"),
                                      .path = json_get_string (words, "path"),
                                      .format = json_get_string (words,
                                                                 "format"),
                                      .create = json_get_bool (words, "create"),
                                      .take_over = json_get_bool (words,
                                                                  "take-over"),
                                      .size = json_get_u64 (words, "size"),
                                      .options = options, .folders = folders
                                    }, &target, why);

  return r < 0 ? r : tell_target (target, answer, why);
}

/* --- of a target -------------------------------------------------------------- */

static int
act_identify (struct restore_target *target, json_object *words,
              struct failure *why)
{
  char identity[FILE_IDENTITY_SIZE];
  struct stat st;

  if (stat (target->place.path, &st) < 0)
    return failure_set (why, FAILURE_STORAGE, errno, "%s cannot be looked at: "
                        "%s", target->place.path, g_strerror (errno));
  file_identity_text (&st, identity);
  json_add_string (words, "identity", identity);
  return 0;
}

static const struct {
  const char *verb;
  int (*act) (struct restore_target *target, struct failure *why);
} acts[] = {
  { "mark", restore_target_here_mark },
  { "unmark", restore_target_here_unmark },
  { "sync", restore_target_here_sync },
  { "check-alone", restore_target_here_check_alone },
  { "check-name", restore_target_here_check_name },
  { "publish", restore_target_here_publish },
  { "discard", restore_target_here_discard },
};

static int
act_of (const char *verb, struct restore_target *target, json_object *words,
        struct failure *why)
{
  for (size_t i = 0; i < G_N_ELEMENTS (acts); i++)
    if (strcmp (acts[i].verb, verb) == 0)
      return acts[i].act (target, why);
  return strcmp (verb, "identify") == 0
         ? act_identify (target, words, why) : -ENOSYS;
}

static int
act_on_target (const char *verb, json_object *record, const int *fds,
               json_object *words, struct failure *why)
{
  struct restore_target *target;
  int r = restore_target_from_record (record, &target, why);

  if (r < 0)
    return r;
  target->lock_fd = fds[RESTORE_ERRAND_LOCK];
  target->io_fd = fds[RESTORE_ERRAND_IO];
  target->place.fd = fds[RESTORE_ERRAND_FOLDER];
  r = act_of (verb, target, words, why);
  restore_target_here_close (target);
  return r;
}

/* --- of a path alone ------------------------------------------------------------ */

static int
act_folder (const char *path, json_object *words, struct failure *why)
{
  g_autofree char *folder = g_path_get_dirname (path);
  struct stat st;

  if (stat (folder, &st) < 0)
    return failure_set (why, FAILURE_BAD_ARGUMENT, errno, "the folder of %s "
                        "cannot be looked at: %s", path, g_strerror (errno));
  json_add_u64 (words, "folder", st.st_ino);
  return 0;
}

/* 1: nobody has the temporary file PATH; 0: it is not there, or is somebody else's. */
static int
is_left (const char *path, struct failure *why)
{
  struct failure used = { .error = 0 };
  CLEANUP_FD int fd = open (path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  struct stat st;
  int r = fd < 0 || fstat (fd, &st) < 0 ? -errno : 0;

  if (r == -ENOENT)
    return 0;
  if (r == 0)
    r = restore_target_lock (path, fd, &st, &used);
  if (r == -EBUSY) {
    log_warning ("%s is another restore's, and stays: %s", path, used.text);
    return 0;
  }
  return r == 0 ? 1
         : failure_set (why, FAILURE_STORAGE, -r, "%s cannot be removed: %s",
                        path, used.error != 0 ? used.text : g_strerror (-r));
}

static int
act_remove_unknown (json_object *words, const char *image,
                    struct failure *why)
{
  g_autofree char *folder = g_path_get_dirname (image);
  g_autofree char *base = g_path_get_basename (image);
  g_autofree char *name =
    restore_target_temporary_name (base, json_get_string (words, "restore"));
  g_autofree char *path = g_build_filename (folder, name, NULL);
  struct stat st;
  int r;

  if (stat (folder, &st) < 0 || st.st_ino != json_get_u64 (words, "folder"))
    return failure_set (why, FAILURE_STORAGE, ENODEV, "%s: its folder is not "
                        "there, or is another one than it was: is it mounted?",
                        path);
  r = is_left (path, why);
  if (r <= 0)
    return r;
  if (unlink (path) < 0 && errno != ENOENT)
    return failure_set (why, FAILURE_STORAGE, errno, "%s cannot be removed: %s",
                        path, g_strerror (errno));
  return 0;
}

/* --- the process ------------------------------------------------------------------ */

static int
act (const char *verb, json_object *words, const int *fds,
     struct answer *answer, struct failure *why)
{
  const char *path = json_get_string (words, "path");

  if (strcmp (verb, "close") == 0)
    return 0;
  if (path == NULL)
    return -EINVAL;
  if (strcmp (verb, "open") == 0)
    return act_open (words, answer, why);
  if (strcmp (verb, "folder") == 0)
    return act_folder (path, answer->words, why);
  if (strcmp (verb, "remove-unknown") == 0)
    return act_remove_unknown (words, path, why);
  return act_on_target (verb, words, fds, answer->words, why);
}

int
restore_target_errand_main (char *const *argv)
{
  CLEANUP_JSON json_object *words = NULL;
  struct answer answer = { .n_fds = 0 };
  struct failure why = { .error = 0 };
  int fds[RESTORE_ERRAND_N], r;
  const char *verb;

  log_open ("pullback-target", LOG_LEVEL_INFO);
  log_never_wait ();
  restore_lock_speak_for (getppid ());
  if (restore_errand_take (argv, &verb, &words, fds) < 0)
    return 1;
  answer.words = json_object_new_object ();
  r = act (verb, words, fds, &answer, &why);
  r = restore_errand_answer (r, &why, answer.words, answer.fds, answer.n_fds);
  json_object_put (answer.words);
  return r < 0 ? 1 : 0;
}
