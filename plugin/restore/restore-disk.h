/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A raw image or block device that is written back: an inherited descriptor, and what a
 * writable export does with it.
 *
 * What a write has brought is in the page cache when it is answered, so nothing of it is
 * lost with this process.  A flush, or FUA, brings it to stable storage.
 *
 * Threads: any, but for open and close.  0 or -errno, as the storage says it. */
#ifndef PULLBACK_RESTORE_DISK_H
#define PULLBACK_RESTORE_DISK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "failure.h"
#include "image-file.h"
#include "plugin-config.h"

struct restore_disk {
  struct image_file file;
  uint64_t size;                /* bytes; it does not change */
  pthread_mutex_t lock;         /* protects all below */
  pthread_cond_t synced;        /* done has changed */
  bool syncing;                 /* somebody syncs, for all who asked before it began */
  uint64_t begun, done;         /* how many times */
  int lost;                     /* -errno: a flush has failed; what it did not bring to
                                   stable storage nobody will */
};

/* The descriptor that CONFIG names moves here, also on failure; -errno with a sentence. */
int restore_disk_open (struct restore_disk *disk, const struct disk_config *config, struct failure *why) WARN_UNUSED;

/* Also of one whose open has failed. */
void restore_disk_close (struct restore_disk *disk);

/* All ranges are inside the disk and not empty. */
int restore_disk_read (struct restore_disk *disk, void *buffer, uint32_t count, uint64_t offset) WARN_UNUSED;
int restore_disk_write (struct restore_disk *disk, const void *buffer, uint32_t count, uint64_t offset) WARN_UNUSED;

/* Of FLAGS (plugin-role.h): with ROLE_MAY_TRIM the space may be given back, else it stays;
 * with ROLE_FAST -EOPNOTSUPP where zeros would have to be written. */
int restore_disk_zero (struct restore_disk *disk, uint32_t count, uint64_t offset, unsigned flags) WARN_UNUSED;

/* The range need not be kept.  Where nothing can be given back, nothing is. */
int restore_disk_trim (struct restore_disk *disk, uint32_t count, uint64_t offset) WARN_UNUSED;

/* All that was answered before is on stable storage, whichever connection it came by
 * (rule R8).
 * Once this has failed it fails for ever: the kernel tells an error of its write-back
 * once, and what was to be written may be gone from its cache. */
int restore_disk_flush (struct restore_disk *disk) WARN_UNUSED;

#endif
