/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tells whether the kernel failed to write back what a file was given.
 *
 * write (2) only fills the page cache.  Where the kernel later cannot put a
 * page on the storage, it notes that on the file, ends the write-back, and from
 * then on may drop the page: a read finds whatever the storage has (rule S4).
 * As it is noted first, whoever looks after a read knows whether to trust it.
 *
 * The kernel tells each open file once, and a file that is opened after
 * somebody was told not at all: open it before the first write.
 *
 * Threads: late_error_look may be called by many. */
#ifndef PULLBACK_LATE_ERROR_H
#define PULLBACK_LATE_ERROR_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "cleanup.h"

struct late_error {
  int fd;                       /* borrowed, of a regular file */
  pthread_mutex_t lock;         /* protects error; held while the kernel is asked */
  int error;
};

void late_error_init (struct late_error *late, int fd);
void late_error_destroy (struct late_error *late);

/* The positive errno of a write-back that failed at any time since the file was
 * opened, else 0.  Never waits for the storage. */
int late_error_look (struct late_error *late);

/* Does the file system of FOLDER keep this from us?  Then write with O_DSYNC. */
bool late_error_is_hidden (const char *folder);

/* Does the file system of FD lose data that it finds no blocks for without noting
 * it?  Then give a file its blocks before its data. */
bool late_error_needs_blocks (int fd);

/* Gives the range its blocks, where the file system can; what is there stays. */
int late_error_take_blocks (int fd, uint64_t length, uint64_t offset) WARN_UNUSED;

#endif
