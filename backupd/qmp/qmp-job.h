/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Jobs of QEMU.  Threads and errors as in qmp.h; timeouts are in milliseconds. */
#ifndef PULLBACK_QMP_JOB_H
#define PULLBACK_QMP_JOB_H

#include <stddef.h>

#include "qmp-disk.h"

/* Cancels the jobs IDS, which NULL ends, waits until they have concluded, dismisses them.
 * No such job: success.  Where one is refused the others end all the same.
 * A job's target should answer while this is called.  With a guest write on
 * its way to it, QEMU 7.2 fails that *guest write* with EIO if the target's
 * connection is down (the cancel also cancels the reconnect), and stops
 * answering QMP until the target replies if it hangs: -ETIMEDOUT then.  So
 * restart a dead sink in BEFORE_CANCEL (may be NULL), which is called before each is told,
 * and kill and restart one that hangs. */
int qmp_job_end (struct qmp *qmp, const char *const *ids, int timeout_ms,
                 void (*before_cancel) (void *opaque), void *opaque, struct failure *why) WARN_UNUSED;
/* *JOBS: what query-jobs says, the caller's. */
int qmp_job_list (struct qmp *qmp, json_object **jobs, struct failure *why) WARN_UNUSED;
/* "running", "concluded", ... of job ID; NULL: there is none in JOBS.  Borrowed. */
const char *qmp_job_status (json_object *jobs, const char *id);
/* The type of JOB, one of these, if it makes, deletes or loads internal snapshots, else NULL.
 * Borrowed. */
const char *qmp_job_of_snapshot (json_object *job);
/* The id of a block-stream in JOBS that is about to end, or has ended and not been dismissed;
 * NULL: there is none.  Borrowed. */
const char *qmp_job_stream_that_ends (json_object *jobs);
/* The id of a job in JOBS that makes an image and has not ended (blockdev-create); NULL: there is
 * none.  Borrowed. */
const char *qmp_job_that_creates (json_object *jobs);
/* Writes the id of a block job that uses DISK's device into ID, or "".  GRAPH: of
 * qmp_graph_load; QEMU is asked only where it has none. */
int qmp_job_of_device (struct qmp *qmp, json_object *graph, const struct qmp_disk *disk, char *id,
                       size_t size, struct failure *why) WARN_UNUSED;

#endif
