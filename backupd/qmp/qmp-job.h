/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Jobs of QEMU.  Threads and errors as in qmp.h; timeouts are in milliseconds. */
#ifndef PULLBACK_QMP_JOB_H
#define PULLBACK_QMP_JOB_H

#include <stddef.h>

#include "qmp-disk.h"

/* Cancels job ID, waits until it has concluded, dismisses it.  No such job:
 * success.
 * The job's target should answer while this is called.  With a guest write on
 * its way to it, QEMU 7.2 fails that *guest write* with EIO if the target's
 * connection is down (the cancel also cancels the reconnect), and stops
 * answering QMP until the target replies if it hangs: -ETIMEDOUT then.  So
 * restart a dead sink before, and kill and restart one that hangs. */
int qmp_job_end (struct qmp *qmp, const char *id, int timeout_ms, struct failure *why) WARN_UNUSED;
/* "running", "concluded", ... or -ENOENT.  STATUS: at least 32 bytes. */
int qmp_job_status (struct qmp *qmp, const char *id, char *status, size_t size) WARN_UNUSED;
/* *JOBS: what query-jobs says, the caller's. */
int qmp_job_list (struct qmp *qmp, json_object **jobs, struct failure *why) WARN_UNUSED;
/* The type of JOB, one of these, if it makes, deletes or loads internal snapshots, else NULL.
 * Borrowed. */
const char *qmp_job_of_snapshot (json_object *job);
/* Writes the id of a block job that uses NODE's device into ID, or "". */
int qmp_job_of_device (struct qmp *qmp, const struct qmp_disk *disk, char *id, size_t size,
                       struct failure *why) WARN_UNUSED;

#endif
