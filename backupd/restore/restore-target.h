/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One image that a restore writes to: a new one, which has a temporary name until it is
 * whole, or one that exists, which is marked as half restored until it is whole again.
 *
 * The image is opened once, by a path without symbolic links, and what is done later is done
 * to that file and in that folder, whatever their names lead to by then.  There are two
 * descriptions of it: ours has QEMU's locks (restore-lock.h) and is for the last fsync, as
 * the kernel tells a lost write to each description once; the other is for the process that
 * writes.
 *
 * Storage that hangs holds up nobody but the caller, whose thread can be ended: all that touches
 * it is done by processes (restore-errand.h).
 *
 * Threads: any; of one target, one at a time.  Failures are sentences that name the image
 * and say what to do.  Of those of which restore_errand_is_unknown nobody knows what was done. */
#ifndef PULLBACK_RESTORE_TARGET_H
#define PULLBACK_RESTORE_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include "failure.h"
#include "file-identity.h"

/* Beside an image that exists: FILE with this behind it. */
#define RESTORE_TARGET_MARK ".restore-in-progress"

struct restore_target;

/* All borrowed for the call. */
struct restore_target_spec {
  const char *restore;          /* name of the restore, of a domain's type */
  const char *path;             /* absolute */
  const char *format;           /* QEMU's name of it; never probed and believed */
  bool create;                  /* the image must not exist; else it must */
  bool take_over;               /* another restore's mark does not matter */
  uint64_t size;                /* bytes, multiple of 512; of one that exists 0 (any), or what
                                 * it must have */
  const char *const *options;   /* "KEY=VALUE" of qemu-img's -o, for one that is created;
                                 * NULL ends them, NULL: none */
  const char *const *folders;   /* it must be below one of these; so its backing files.
                                 * NULL ends them, NULL: any */
};

/* Checks, opens and locks the image.  Of one that is created, all is made under its temporary
 * name in the same folder, with mode 0600 and the folder's owner and group; a temporary file
 * that nobody has locked is an earlier restore's, and is replaced.  Nothing else is changed, and
 * on failure nothing is left.  May run qemu-img, which takes as long as its preallocation. */
int restore_target_open (const struct restore_target_spec *spec,
                         struct restore_target **target, struct failure *why) WARN_UNUSED;

/* One that a QEMU has open, which locks it.  FD (borrowed, read-only; -1: none) is for what comes after
 * it was written.  SPEC's size is the disk's.  Where its path is not that of FD's file there is no mark
 * beside it, as with a block device; then, with folders, it is refused. */
int restore_target_held (const struct restore_target_spec *spec, int fd,
                         struct restore_target **target, struct failure *why) WARN_UNUSED;

/* --- what it is.  Strings are the target's -------------------------------- */

/* Absolute, without symbolic links; of a new one where it will be. */
const char *restore_target_path (const struct restore_target *target);
/* NULL: it is not a new one. */
const char *restore_target_temporary (const struct restore_target *target);
const char *restore_target_format (const struct restore_target *target);
/* Of the disk in it, bytes; of a raw file that of the file, any. */
uint64_t restore_target_size (const struct restore_target *target);
bool restore_target_is_new (const struct restore_target *target);
bool restore_target_is_block (const struct restore_target *target);
/* Of file-identity.h.  After the host was started again a file's may be another one. */
const char *restore_target_identity (const struct restore_target *target);
/* The restore whose mark was found when it was opened, "" where it cannot be read; NULL: it
 * was not marked. */
const char *restore_target_marked_by (const struct restore_target *target);

/* --- its descriptors; the target's, -1: made from a record ------------------ */

/* For the process that writes, read-write, of its own description. */
int restore_target_io_fd (const struct restore_target *target);
/* Has the locks, and a block device's exclusive claim: they last as long as any process has
 * it open.  Nobody else syncs it. */
int restore_target_lock_fd (const struct restore_target *target);

/* The backing files of the image, nearest first, read-only.  Each is raw, or has the next
 * as its own. */
size_t restore_target_n_backing (const struct restore_target *target);
int restore_target_backing_fd (const struct restore_target *target, size_t i);
const char *restore_target_backing_format (const struct restore_target *target, size_t i);

/* --- its life ------------------------------------------------------------- */

/* Before anybody writes to one that exists: makes the mark, durably.  Nothing for a new one
 * or a block device. */
int restore_target_mark (struct restore_target *target, struct failure *why) WARN_UNUSED;

/* Removes it, durably; also one that is not there.  Here and below: not where the folder
 * is not there, or another one than it was (-ENODEV), as before it is mounted. */
int restore_target_unmark (struct restore_target *target, struct failure *why) WARN_UNUSED;

/* All that was written is on stable storage, or was lost: an error of write-back since it was opened
 * is told here, once.  After whoever writes has ended. */
int restore_target_sync (struct restore_target *target, struct failure *why) WARN_UNUSED;

/* Has nobody else, or nobody but its QEMU, it open for writing, now?  QEMU's locks keep its other processes from a file,
 * but from a block device only those that open it by the node that we have opened (rule R10). */
int restore_target_check_alone (const struct restore_target *target, struct failure *why) WARN_UNUSED;

/* Its path still leads to the very file that is open, and a raw one is as long as its disk: else
 * nobody would find under its name what was restored.  Before unmark. */
int restore_target_check_name (const struct restore_target *target,
                               struct failure *why) WARN_UNUSED;

/* A new one gets its name, durably, unless something else has it by now (-EEXIST).  Nothing
 * for one that exists; nor again, also after a crash. */
int restore_target_publish (struct restore_target *target, struct failure *why) WARN_UNUSED;

/* Removes a new one's temporary file; also one that is not there. */
int restore_target_discard (struct restore_target *target, struct failure *why) WARN_UNUSED;

/* Opens and locks the temporary file of a new one that comes from a record, as it is; nothing where it
 * is open. */
int restore_target_reopen (struct restore_target *target, struct failure *why) WARN_UNUSED;

/* What a journal keeps, a new object. */
json_object *restore_target_record (const struct restore_target *target);

/* Of that, maybe by another daemon before.  Opens and locks nothing; enough for unmark, publish
 * and discard, and to ask what it is. -EINVAL: RECORD is none. */
int restore_target_from_record (json_object *record, struct restore_target **target,
                                struct failure *why) WARN_UNUSED;

/* What RESTORE calls a new image until it is NAME, in the same folder: it may be there also where
 * the restore had no time to write it down.  Free with g_free. */
char *restore_target_temporary_name (const char *name, const char *restore);

/* One that is made from a record takes IO and LOCK over, which a process was given that writes
 * it: descriptors of the very file, of which LOCK still has the locks.  Both are closed on failure. */
int restore_target_adopt (struct restore_target *target, int io, int lock,
                          struct failure *why) WARN_UNUSED;

/* Lets go of it; on disk all stays as it is.  Waits until nobody has it open for us any more.
 * NULL is nothing. */
void restore_target_close (struct restore_target *target);

/* --- what is no target yet, or any more ------------------------------------- */

/* The identity of the file that its path leads to now. */
int restore_target_identify (struct restore_target *target, char identity[FILE_IDENTITY_SIZE],
                             struct failure *why) WARN_UNUSED;

/* Which folder the file PATH of RESTORE is to be in. */
int restore_target_folder (const char *restore, const char *path, ino_t *folder,
                           struct failure *why) WARN_UNUSED;

/* Removes the temporary file of the new image PATH that nobody had the time to write down, if it is
 * there.  Fails where its folder is not that FOLDER. */
int restore_target_remove_unknown (const char *restore, const char *path, ino_t folder,
                                   struct failure *why) WARN_UNUSED;

#endif
