/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who does something with a restore says so under the lock, then has it for himself
 * without it: what takes long holds nobody else up.  Others see what was published
 * last, and are told to come again. */
#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "json-members.h"
#include "restore-info.h"
#include "restore-plan.h"
#include "restore-recover.h"
#include "restore-registry.h"

/* Protects the table and what restore-model.h says. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static GHashTable *restores;    /* of struct restore, by name; owned */
static const struct restore_settings *settings;         /* constant */

/* --- images that are taken --------------------------------------------------- */

static bool
is_image (const struct restore_image *image, const char *identity,
          const char *path, const char *name)
{
  return (identity != NULL && g_strcmp0 (image->identity, identity) == 0) ||
         (path != NULL && strcmp (image->path, path) == 0) ||
         (name != NULL && g_strcmp0 (image->name, name) == 0);
}

/* The restore that has it, but for IMAGE; NULL: none. */
static const struct restore *
find_image_locked (const char *identity, const char *path, const char *name,
                   const struct restore_image *except)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, restores);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    const struct restore *restore = value;
    const struct restore_image *image;

    FOR_EACH_RESTORE_IMAGE (restore, image)
      if (image != except && is_image (image, identity, path, name))
        return restore;
  }
  return NULL;
}

static int
taken_failure (const struct restore_image *image, const struct restore *other,
               struct failure *why)
{
  bool half = other->phase == RESTORE_PHASE_HALF;

  return failure_set (why, FAILURE_BUSY, EBUSY, "%s is %s by the restore %s: %s",
                      image->path, half ? "half restored" : "being restored",
                      other->name, half
                      ? "begin that one again, or give it up by restore-abort "
                        "--forget" : "commit or abort that one first");
}

int
restore_registry_claim (struct restore_image *image, const char *identity,
                        const char *name, struct failure *why)
{
  const struct restore *other;
  int r = 0;

  pthread_mutex_lock (&lock);
  other = find_image_locked (identity, NULL, name, image);
  if (other != NULL)
    r = taken_failure (image, other, why);
  else {
    g_free (image->identity);
    g_free (image->name);
    image->identity = g_strdup (identity);
    image->name = g_strdup (name);
  }
  pthread_mutex_unlock (&lock);
  return r;
}

int
restore_registry_check_path (const struct restore *restore,
                             const struct restore_image *image,
                             struct failure *why)
{
  const struct restore *other;
  int r = 0;

  pthread_mutex_lock (&lock);
  other = find_image_locked (NULL, image->path, NULL, image);
  if (other != NULL && other != restore)
    r = taken_failure (image, other, why);
  pthread_mutex_unlock (&lock);
  return r;
}

int
restore_check_whole (const char *identity, const char *image,
                     struct failure *why)
{
  g_autofree char *mark = g_strconcat (image, RESTORE_TARGET_MARK, NULL);
  const struct restore *restore;
  int r = 0;

  pthread_mutex_lock (&lock);
  restore = restores == NULL ? NULL
            : find_image_locked (identity, image, NULL, NULL);
  if (restore != NULL)
    r = failure_set (why, FAILURE_BUSY, EBUSY, "%s is only half restored: finish "
                     "the restore %s (it is %s), or give it up by "
                     "restore-abort %s --forget", image, restore->name,
                     restore_info_state (restore), restore->name);
  pthread_mutex_unlock (&lock);
  if (r == 0 && image[0] == '/' && access (mark, F_OK) == 0)
    r = failure_set (why, FAILURE_BUSY, EBUSY, "%s is only half restored, says "
                     "%s: restore it again, or remove that file", image, mark);
  return r;
}

/* --- one does something --------------------------------------------------------- */

static int
not_found (const char *name, struct failure *why)
{
  return failure_set (why, FAILURE_BACKUP_NOT_FOUND, ENOENT, "there is no "
                      "restore %s; see restore-list", name);
}

int
restore_registry_take (const char *name, const char *doing,
                       struct restore **restore, struct failure *why)
{
  struct restore *found;
  int r = 0;

  pthread_mutex_lock (&lock);
  found = g_hash_table_lookup (restores, name);
  if (found == NULL)
    r = not_found (name, why);
  else if (found->doing != NULL)
    r = failure_set (why, FAILURE_BUSY, EBUSY, "the restore %s is %s: try again "
                     "later", name, found->doing);
  else {
    found->doing = doing;
    *restore = found;
  }
  pthread_mutex_unlock (&lock);
  return r;
}

/* What is left of one that has ended: nothing, or what is half restored. */
static void
keep_half (struct restore *restore)
{
  guint i = 0;

  while (i < restore->images->len) {
    const struct restore_image *image = restore->images->pdata[i];

    if (image->half)
      i++;
    else
      g_ptr_array_remove_index (restore->images, i);
  }
  restore->phase = RESTORE_PHASE_HALF;
  restore->broken = false;
  restore->ending = false;
}

void
restore_registry_release (struct restore *restore, bool ended,
                          const char *state, json_object **info)
{
  struct restore *gone = NULL;

  pthread_mutex_lock (&lock);
  restore->given = NULL;
  if (ended && restore_model_is_half (restore)) {
    keep_half (restore);
    state = NULL;
    ended = false;
  }
  restore->doing = NULL;
  if (!ended)
    restore_info_publish (restore);
  if (info != NULL)
    *info = restore_info_make (restore);
  if (info != NULL && state != NULL)
    json_add_string (*info, "state", state);
  if (ended && g_hash_table_steal (restores, restore->name))
    gone = restore;
  pthread_mutex_unlock (&lock);
  /* To close images may take time. */
  restore_model_destroy (gone);
}

void
restore_registry_set_ending (struct restore *restore, const char *text)
{
  pthread_mutex_lock (&lock);
  g_free (restore->reason);
  restore->reason = g_strdup (text);
  restore->ending = true;
  pthread_mutex_unlock (&lock);
}

void
restore_registry_set_reason (struct restore *restore, bool broken,
                             const char *text)
{
  pthread_mutex_lock (&lock);
  g_free (restore->reason);
  restore->reason = g_strdup (text);
  restore->broken = broken;
  pthread_mutex_unlock (&lock);
}

bool
restore_registry_break (const char *name, const char *text)
{
  struct restore *restore;
  bool breaks;

  pthread_mutex_lock (&lock);
  restore = restores == NULL ? NULL : g_hash_table_lookup (restores, name);
  breaks = restore != NULL && restore->qemu != NULL && !restore->broken &&
           (restore->doing != NULL || restore->phase == RESTORE_PHASE_WRITABLE);
  if (breaks) {
    g_free (restore->reason);
    restore->reason = g_strdup (text);
    restore->broken = true;
  }
  pthread_mutex_unlock (&lock);
  return breaks;
}

int
restore_registry_check_unbroken (const struct restore *restore,
                                 struct failure *why)
{
  int r = 0;

  pthread_mutex_lock (&lock);
  if (restore->broken)
    r = failure_set (why, FAILURE_BROKEN, EIO, "the restore %s is broken: %s",
                     restore->name, restore->reason);
  pthread_mutex_unlock (&lock);
  return r;
}

int
restore_check_machine (const char *domain, struct failure *why)
{
  const struct restore *restore;
  int r = 0;

  pthread_mutex_lock (&lock);
  restore = restores == NULL ? NULL : g_hash_table_lookup (restores, domain);
  if (restore != NULL && restore->qemu != NULL &&
      (restore->doing != NULL || restore->phase != RESTORE_PHASE_HALF))
    r = failure_set (why, FAILURE_BUSY, EBUSY, "disks of the domain %s are being "
                     "restored: restore-commit or restore-abort %s first",
                     domain, domain);
  pthread_mutex_unlock (&lock);
  return r;
}

/* It is all that tells of these images: nobody overwrites it. */
static int
check_no_journal (const struct restore *restore, struct failure *why)
{
  struct stat st;

  if (lstat (restore->journal, &st) < 0 && errno == ENOENT)
    return 0;
  return failure_set (why, FAILURE_EXISTS, EEXIST, "the journal %s is there, and "
                      "the daemon could not read it, or not remove it: images "
                      "of the restore %s may be half restored; see to them, then "
                      "remove the file, or use another name", restore->journal,
                      restore->name);
}

int
restore_registry_add (const struct arguments_restore_begin *given,
                      const struct restore_disks *disks, struct restore **ret,
                      struct failure *why)
{
  g_autofree char *name = NULL;
  struct restore *restore, *earlier;
  int r = restore_plan_name (given, &name, why);

  if (r < 0)
    return r;
  restore = restore_model_create (name, settings);
  restore->given = given;
  restore->doing = "beginning";
  pthread_mutex_lock (&lock);
  earlier = g_hash_table_lookup (restores, name);
  if (earlier != NULL && (earlier->doing != NULL ||
                          earlier->phase != RESTORE_PHASE_HALF))
    r = failure_set (why, FAILURE_EXISTS, EEXIST, "there is a restore %s: "
                     "commit or abort it, or use another name", name);
  if (r == 0 && earlier == NULL)
    r = check_no_journal (restore, why);
  if (r == 0)
    r = restore_plan_images (restore, disks, earlier, why);
  if (r == 0) {
    restore_info_publish (restore);
    g_hash_table_replace (restores, restore->name, restore);
    *ret = restore;
  }
  pthread_mutex_unlock (&lock);
  if (r < 0)
    restore_model_destroy (restore);
  return r;
}

/* --- looking ------------------------------------------------------------------------ */

int
restore_info (const char *name, json_object **info, struct failure *why)
{
  const struct restore *restore;
  int r = 0;

  pthread_mutex_lock (&lock);
  restore = g_hash_table_lookup (restores, name);
  if (restore != NULL)
    *info = restore_info_make (restore);
  else
    r = not_found (name, why);
  pthread_mutex_unlock (&lock);
  return r;
}

static int
compare_names (const void *one, const void *other)
{
  return strcmp (*(const char *const *) one, *(const char *const *) other);
}

json_object *
restore_list (void)
{
  json_object *list = json_object_new_array ();
  g_autofree gpointer *names = NULL;
  guint n;

  if (restores == NULL)
    return list;
  pthread_mutex_lock (&lock);
  names = g_hash_table_get_keys_as_array (restores, &n);
  qsort (names, n, sizeof *names, compare_names);
  for (guint i = 0; i < n; i++)
    json_object_array_add (list, restore_info_make (
                             g_hash_table_lookup (restores, names[i])));
  pthread_mutex_unlock (&lock);
  return list;
}

/* --- from start to end ------------------------------------------------------------- */

static void
destroy_restore (void *restore)
{
  restore_model_destroy (restore);
}

void
restore_registry_open (const struct restore_settings *of_daemon,
                       const char *folder)
{
  settings = of_daemon;
  restores = g_hash_table_new_full (g_str_hash, g_str_equal, NULL,
                                    destroy_restore);
  restore_recover (folder, settings, restores);
}

void
restore_registry_close (void)
{
  g_clear_pointer (&restores, g_hash_table_destroy);
}
