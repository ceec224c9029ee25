/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A file of the maps folder that several processes map whole (granule-map.h):
 * MAP_FILE_HEADER bytes that say what it is, then words.
 *
 * No process gets a SIGBUS by a full file system: blocks are allocated before
 * a word is stored.  A file that somebody shortens after it was opened is beyond
 * this (the folder is private). */
#ifndef PULLBACK_MAP_FILE_H
#define PULLBACK_MAP_FILE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"
#include "late-error.h"

#define MAP_FILE_HEADER 4096u

struct map_file {
  int fd;
  struct late_error late;       /* of fd */
  char *start;                  /* the mapping of the whole file */
  uint64_t size;
  size_t page_size;
  pthread_mutex_t lock;         /* protects pages; held while they are allocated,
                                 * which may take long */
  unsigned char *pages;         /* 1: page of the file has its blocks; NULL: it
                                 * is not writable */
};

/* Creates PATH (mode 0600, must not exist) of LENGTH bytes: HEADER, then zeros.  On
 * failure no file is left.  ON_TMPFS: there all of it has its blocks at once. */
int map_file_create (const char *path, const char header[MAP_FILE_HEADER], uint64_t length, bool on_tmpfs) WARN_UNUSED;

/* Maps PATH.  CHECK says, with -errno, what is wrong with its header, which is aligned for
 * 64 bits, or length, which is at least the header's.  Not a regular file: -EINVAL. */
int map_file_open (const char *path, bool writable, int (*check) (const char header[MAP_FILE_HEADER], uint64_t length), struct map_file *file) WARN_UNUSED;

/* Also after map_file_open has failed. */
void map_file_close (struct map_file *file);

/* Gives the bytes FIRST to LAST of the file their blocks, so that they may be stored
 * to.  -EBADF: not writable.  Threads: any. */
int map_file_allocate (struct map_file *file, uint64_t first, uint64_t last) WARN_UNUSED;

#endif
