/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What QEMU serves by NBD.  Threads and errors as in qmp.h; timeouts are in
 * milliseconds. */
#ifndef PULLBACK_QMP_EXPORT_H
#define PULLBACK_QMP_EXPORT_H

#include <stdbool.h>

#include "qmp.h"

/* QEMU's one NBD server.  FAILURE_BUSY when somebody has started it already. */
int qmp_export_server_start (struct qmp *qmp, const char *socket, struct failure *why) WARN_UNUSED;
/* The same on the listening socket FD, of which QEMU gets a copy called NAME.
 * -EOPNOTSUPP, and nothing in WHY: QEMU, or what carries the session, cannot do that. */
int qmp_export_server_start_on (struct qmp *qmp, int fd, const char *name, struct failure *why) WARN_UNUSED;
/* QEMU closes its copy, unless a server has it. */
int qmp_export_server_forget (struct qmp *qmp, const char *name, struct failure *why) WARN_UNUSED;
int qmp_export_server_stop (struct qmp *qmp, struct failure *why) WARN_UNUSED;

/* May a node that an iothread serves be exported?  In QEMU 7.2 with its late fixes that aborts
 * when a client leaves, or while one reads when QEMU drains. */
bool qmp_export_bears_iothreads (const struct qmp *qmp);

/* Read-only NBD export ID of NODE called NAME, with the bitmap BITMAP of BITMAP_NODE,
 * or without one (NULL).  QEMU refuses it where somebody may resize NODE (a FUSE
 * export does); a bitmap's node is not asked. */
int qmp_export_add (struct qmp *qmp, const char *id, const char *node, const char *name,
                    const char *bitmap_node, const char *bitmap, struct failure *why) WARN_UNUSED;
/* The same without a bitmap, but with the context qemu:allocation-depth. */
int qmp_export_add_depth (struct qmp *qmp, const char *id, const char *node, const char *name,
                          struct failure *why) WARN_UNUSED;
/* One that clients can write to, without a bitmap.  QEMU refuses it where a guest's device, or
 * somebody else, does not share writing to NODE. */
int qmp_export_add_writable (struct qmp *qmp, const char *id, const char *node, const char *name,
                             struct failure *why) WARN_UNUSED;
/* Removes those of IDS, which NULL ends, that are there (mode hard), and waits until all are
 * gone (BLOCK_EXPORT_DELETED, or query-block-exports). */
int qmp_export_remove (struct qmp *qmp, const char *const *ids, int timeout_ms,
                       struct failure *why) WARN_UNUSED;

#endif
