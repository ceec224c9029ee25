/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The locks by which QEMU's processes keep off each other's images, and who else has an
 * image.
 *
 * QEMU locks bytes of the file, by open file description: 100 and on, one for each
 * permission that it uses, and 200 and on for each that it lets nobody else use (consistent
 * read, write, write unchanged, resize).  They do not hinder reads and writes.
 *
 * Threads: any. */
#ifndef PULLBACK_RESTORE_LOCK_H
#define PULLBACK_RESTORE_LOCK_H

#include <sys/stat.h>

#include "cleanup.h"

/* Locks what FD, read-write, is open on as one who uses all permissions and shares none: while
 * any process has that description open, QEMU opens the image neither for reading nor for
 * writing, unless it is told to look away.  -EAGAIN: somebody has it, and nothing is locked;
 * -ENOTSUP: this file system has no locks. */
int restore_lock (int fd) WARN_UNUSED;

/* The same of a backing file, as one who reads it, and lets others only read it. */
int restore_lock_backing (int fd) WARN_UNUSED;

/* For process PID, too, which is not one of the others below. */
void restore_lock_speak_for (pid_t pid);

/* A process that has such locks on the file, in words: "process 12 (qemu-img)"; NULL: none that
 * we can see.  Free with g_free. */
char *restore_lock_holder (const struct stat *st);

/* Another process that has it open, a file only if for writing, or the loop device that the file
 * PATH is attached to, by that path or another; likewise.  A block device is found by its number, whatever node it was
 * opened by, in whatever mount namespace.  Who has it for a moment only is waited for. */
char *restore_lock_user (const struct stat *st, const char *path);

/* The same, of a block device, too, only if for writing. */
char *restore_lock_writer (const struct stat *st, const char *path);

#endif
