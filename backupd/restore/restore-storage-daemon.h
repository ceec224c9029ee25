/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qemu-storage-daemon, which writes images that are not raw: all of one restore are exports of
 * one process.  It opens images and their backing files by descriptors of ours and never by a
 * path, and does not lock the images, as we have.
 *
 * It holds tables back, so that an image is whole only where it was flushed and has ended as
 * restore_storage_daemon_finish says.  It loads an image's persistent bitmaps and records in them
 * what it writes; where it is killed they stay marked as in use, by which QEMU knows that they
 * are not right.
 *
 * Threads: any; of one process, one at a time. */
#ifndef PULLBACK_RESTORE_STORAGE_DAEMON_H
#define PULLBACK_RESTORE_STORAGE_DAEMON_H

#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "failure.h"
#include "process-child.h"
#include "restore-source.h"
#include "restore-target.h"

#define RESTORE_STORAGE_DAEMON "qemu-storage-daemon"

struct restore_storage_export {
  const char *disk;             /* name of the export */
  const struct restore_target *target;  /* any but raw */
  const struct restore_source *source;  /* its backing file, which its header does not name; NULL:
                                         * it has those of its header */
};

/* For a struct process_child_spec with ONCE set: adds to ARGV (which frees its strings by g_free; no
 * NULL yet) the program and its arguments, and to FDS (of int) the MORE_FDS, which are the targets'.  It
 * makes the socket of its QMP MONITOR itself. */
void restore_storage_daemon_arguments (const struct restore_storage_export *exports, size_t n,
                                       const char *monitor, GPtrArray *argv, GArray *fds);

/* What it needs in its environment: glibc else gives memory back after each write and gets it again
 * for the next one, which costs more than the write.  NULL at the end. */
extern char *const restore_storage_daemon_variables[];

/* The argument by which its process is known to be that with the MONITOR.  g_free. */
char *restore_storage_daemon_mark (const char *monitor);

/* The node of the Nth of its exports, for QMP.  g_free. */
char *restore_storage_daemon_node (size_t n);

/* Waits until all are exported at its SOCKET, and the monitor is there, until DEADLINE (of now_ms).
 * -ECHILD: it has ended; what it complained of is in the log. */
int restore_storage_daemon_wait (struct process_child *child, const char *socket, int64_t deadline,
                                 struct failure *why) WARN_UNUSED;

/* After that: it has no files open but the N FDS that it was given.  A qcow2 image may have got
 * a data file since it was looked at, and QEMU would write to that. */
int restore_storage_daemon_check (struct process_child *child, const int *fds, size_t n,
                                  struct failure *why) WARN_UNUSED;

/* After the last client has gone, before DEADLINE: flushes the N DISKS at its SOCKET, and ends it.
 * 0: all that was written is in the images, though not on stable storage; else they
 * are not whole.  process_child_stop must follow in any case. */
int restore_storage_daemon_finish (struct process_child *child, const char *socket,
                                   const char *const *disks, size_t n, int64_t deadline,
                                   struct failure *why) WARN_UNUSED;

#endif
