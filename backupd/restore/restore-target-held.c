/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QEMU's locks are on it, so that ours would not be: nothing is opened here but its folder. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>

#include "restore-target-private.h"

/* Is the path, in our mount namespace, that of the very file? */
static bool
is_named (const char *path, const struct stat *st)
{
  struct stat there;

  return path[0] == '/' && (S_ISREG (st->st_mode) || S_ISBLK (st->st_mode)) &&
         stat (path, &there) == 0 && file_identity_same (&there, st);
}

static int
find_place (const struct restore_target_spec *spec, bool named,
            struct restore_place *place, struct failure *why)
{
  if (named)
    return restore_place_open (spec->path, false, spec->folders, place, why);
  if (spec->folders != NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EPERM, "%s is no file in one "
                        "of the folders that --restore-folder of the daemon "
                        "allows", spec->path);
  restore_place_remember (spec->path, place);
  return 0;
}

int
restore_target_held (const struct restore_target_spec *spec, int fd,
                     struct restore_target **ret, struct failure *why)
{
  struct stat st = { .st_mode = 0 };
  bool known = fd >= 0 && fstat (fd, &st) == 0;
  bool named = known && is_named (spec->path, &st);
  struct restore_target *target;
  struct restore_place place;
  int r = find_place (spec, named, &place, why);

  if (r < 0)
    return r;
  target = restore_target_make (spec->restore, spec->format, false, &place);
  target->held = true;
  target->size = spec->size;
  target->block = !named || S_ISBLK (st.st_mode);
  if (known) {
    target->lock_fd = fcntl (fd, F_DUPFD_CLOEXEC, 0);
    target->inode = st.st_ino;
    file_identity_text (&st, target->identity);
  }
  else
    g_strlcpy (target->identity, spec->path, sizeof target->identity);
  if (!target->block)
    target->marked_by = restore_target_read_mark (target);
  *ret = target;
  return 0;
}
