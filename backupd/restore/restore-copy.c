/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a copy has ended is known by its process alone: what its file says may be from
 * before it was killed. */
#include <config.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "json-members.h"
#include "process-leftover.h"
#include "process-self.h"
#include "restore-copy.h"
#include "restore-storage.h"

/* --- which ------------------------------------------------------------------- */

static struct restore_image *
find (const struct restore *restore, const char *disk, size_t length)
{
  struct restore_image *image;

  /* With one image nothing needs to be said. */
  if (length == 0)
    return restore->images->len == 1 ? restore->images->pdata[0] : NULL;
  FOR_EACH_RESTORE_IMAGE (restore, image)
    if (strlen (image->disk) == length &&
        strncmp (image->disk, disk, length) == 0)
      return image;
  return NULL;
}

int
restore_copy_plan (struct restore *restore, struct failure *why)
{
  const struct control_list *list = &restore->given->differing_from;

  if (restore->given->verify && list->n == 0)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "--verify is for what "
                        "the daemon itself writes: say --differing-from as well");
  for (size_t i = 0; i < list->n; i++) {
    const char *spec = control_list_at (list, i);
    /* A URI has one of these before its first '='. */
    size_t length = strcspn (spec, "=:/?");
    const char *uri = spec[length] == '=' ? spec + length + 1 : spec;
    struct restore_image *image = find (restore, spec,
                                        uri == spec ? 0 : length);

    if (image == NULL)
      return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "--differing-from "
                          "%s: which of the disks of the restore is it for? Say "
                          "DISK=URI", spec);
    if (image->from != NULL)
      return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "there are two "
                          "--differing-from for the disk %s", image->disk);
    image->from = g_strdup (uri);
  }
  return 0;
}

/* --- processes --------------------------------------------------------------- */

static char *
counts_path (const char *folder, const char *disk)
{
  return g_strdup_printf ("%s/%s.copy", folder, disk);
}

static int
start (struct restore *restore, struct restore_image *image,
       struct failure *why)
{
  g_autofree char *target = process_nbd_uri (&restore->front, image->disk);
  g_autofree char *counts = counts_path (restore->folder, image->disk);
  const char *argv[8];
  size_t n = 0;

  argv[n++] = "pullback-differ";
  if (restore->given->verify)
    argv[n++] = "--verify";
  argv[n++] = "--status";
  argv[n++] = counts;
  argv[n++] = "--";
  argv[n++] = image->from;
  argv[n++] = target;
  argv[n] = NULL;
  return process_child_start (&(struct process_child_spec) {
                                .role = "differ", .listen_fd = -1,
                                .argv = (char *const *) argv, .once = true,
                                .oom_score_adj = PROCESS_OOM_VIEW
                              }, &image->copy, why);
}

int
restore_copy_start (void *context, struct failure *why)
{
  struct restore *restore = context;
  struct restore_image *image;

  FOR_EACH_RESTORE_IMAGE (restore, image) {
    int r = image->from == NULL ? 0 : start (restore, image, why);

    if (r < 0)
      return r;
  }
  return 0;
}

int
restore_copy_stop (void *context, struct failure *why)
{
  struct restore *restore = context;
  struct restore_image *image;

  FOR_EACH_RESTORE_IMAGE (restore, image) {
    struct process_child *copy = TAKE_PTR (image->copy);

    if (copy != NULL)
      process_child_stop (copy);
  }
  return 0;
}

void
restore_copy_end_leftovers (const struct restore *restore)
{
  g_autoptr (GPtrArray) marks = g_ptr_array_new_with_free_func (g_free);
  const struct restore_image *image;

  FOR_EACH_RESTORE_IMAGE (restore, image)
    g_ptr_array_add (marks, counts_path (restore->folder, image->disk));
  g_ptr_array_add (marks, NULL);
  process_leftover_kill_any ((const char *const *) marks->pdata);
}

/* --- looking ------------------------------------------------------------------ */

json_object *
restore_copy_counts (const char *folder, const char *disk)
{
  g_autofree char *path = counts_path (folder, disk);

  return access (path, R_OK) < 0 ? NULL : json_object_from_file (path);
}

static char *
end_text (struct process_end end)
{
  return end.unknown ? g_strdup ("pullback-differ has ended")
         : g_strdup_printf ("pullback-differ ended with %s %d",
                            end.by_signal ? "signal" : "status", end.number);
}

static void
tell_failed (const struct restore *restore, const struct restore_image *image,
             struct process_end end, struct failure *why)
{
  g_autofree char *ended = end_text (end);
  CLEANUP_JSON json_object *counts =
    restore_copy_counts (restore->folder, image->disk);
  const char *reason = json_get_string (counts, "reason");

  failure_set (why, FAILURE_BROKEN, EIO, "the copy to the disk %s failed: %s",
               image->disk, reason != NULL ? reason : ended);
}

static enum restore_copy
look (const struct restore *restore, const struct restore_image *image,
      struct failure *why)
{
  struct process_child_status status;

  if (image->from == NULL)
    return RESTORE_COPY_NONE;
  /* Not seen: who stops it leaves the restore broken or ending, which says so. */
  if (image->copy == NULL) {
    failure_set (why, FAILURE_BROKEN, EIO, "the copy to the disk %s was stopped",
                 image->disk);
    return RESTORE_COPY_FAILED;
  }
  status = process_child_status (image->copy);
  if (!status.failed)
    return RESTORE_COPY_COPYING;
  if (!status.end.unknown && !status.end.by_signal && status.end.number == 0)
    return RESTORE_COPY_COPIED;
  tell_failed (restore, image, status.end, why);
  return RESTORE_COPY_FAILED;
}

enum restore_copy
restore_copy_look (const struct restore *restore, struct failure *why)
{
  enum restore_copy all = RESTORE_COPY_NONE;
  const struct restore_image *image;

  FOR_EACH_RESTORE_IMAGE (restore, image) {
    enum restore_copy one = look (restore, image, why);

    if (one == RESTORE_COPY_FAILED)
      return one;
    if (one == RESTORE_COPY_COPYING || all == RESTORE_COPY_NONE)
      all = one;
  }
  return all;
}

int
restore_copy_check (const struct restore *restore, struct failure *why)
{
  struct failure failed = { .error = 0 };
  enum restore_copy copy = restore_copy_look (restore, &failed);

  /* A copy may not have seen yet that it writes to nobody. */
  if (copy != RESTORE_COPY_NONE && restore_storage_is_lost (restore))
    return failure_set (why, FAILURE_BROKEN, EIO, "the restore %s is broken "
                        "(qemu-storage-daemon has ended) and cannot be "
                        "committed: abort it, then begin it again",
                        restore->name);
  switch (copy) {
  case RESTORE_COPY_COPYING:
    return failure_set (why, FAILURE_BUSY, EBUSY, "the restore %s still copies: "
                        "commit it when restore-info says that it has copied",
                        restore->name);
  case RESTORE_COPY_FAILED:
    return failure_set (why, FAILURE_BROKEN, EIO, "the restore %s cannot be "
                        "committed: %s.  Abort it, then begin it again, which "
                        "writes what differs then", restore->name,
                        failed.text);
  case RESTORE_COPY_NONE:
  case RESTORE_COPY_COPIED:
    break;
  }
  return 0;
}
