/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Block nodes: adding, removing and looking for them.  Threads and errors as in
 * qmp.h. */
#ifndef PULLBACK_QMP_NODE_H
#define PULLBACK_QMP_NODE_H

#include <stdint.h>

#include "qmp.h"

/* query-named-block-nodes, without the backing chain of each node repeated
 * where QEMU can leave it out; a new reference.  Where a block-stream ends (rule Q4), or an image is
 * made (Q5), that is waited for, 2 s at most, then -EBUSY. */
int qmp_node_list (struct qmp *qmp, json_object **nodes, struct failure *why) WARN_UNUSED;

/* blockdev-add of an NBD client node: unix SOCKET, EXPORT, read-write,
 * reconnect-delay seconds.  The connection is made before it returns, within 2 s: all of
 * QEMU waits for it. */
int qmp_node_add_nbd (struct qmp *qmp, const char *node, const char *socket, const char *export_name,
                      unsigned reconnect_delay, struct failure *why) WARN_UNUSED;
/* A disk of SIZE zeros, to export a bitmap of another node with. */
int qmp_node_add_null (struct qmp *qmp, const char *node, uint64_t size, struct failure *why) WARN_UNUSED;
/* A node that reads what a backup job's FILTER has frozen, and asks nobody for
 * permissions.  FAILURE_QMP_UNSUPPORTED where QEMU cannot, or may crash: 7.2 does when
 * a node is put above one that an iothread serves. */
int qmp_node_add_access (struct qmp *qmp, const char *node, const char *filter, struct failure *why) WARN_UNUSED;
/* Has QEMU write what it holds back of NODE, whose job has the filter FILTER above it, and the
 * target TARGET.  QEMU's main loop, and whoever reads and writes NODE, waits for it.  Where QEMU cannot,
 * or the write fails: -errno. */
int qmp_node_flush (struct qmp *qmp, const char *filter, const char *node, const char *target,
                    struct failure *why) WARN_UNUSED;
/* No such node: success. */
int qmp_node_remove (struct qmp *qmp, const char *node, struct failure *why) WARN_UNUSED;
/* Those of NODES, which NULL ends, that are there; where one stays the others go all the same.
 * The first failure. */
int qmp_node_remove_all (struct qmp *qmp, const char *const *nodes, struct failure *why) WARN_UNUSED;
/* 1, 0, or -errno where QEMU does not say. */
int qmp_node_exists (struct qmp *qmp, const char *node, struct failure *why) WARN_UNUSED;

/* Also what was below it and is used by nobody else.  NODE itself must go. */
int qmp_node_remove_chain (struct qmp *qmp, const char *node, struct failure *why) WARN_UNUSED;

/* Does a node in the backing chain below NODE hold a bitmap called NAME?  (An
 * external snapshot leaves it on the former active layer.)  1, 0 or -errno. */
int qmp_node_bitmap_is_below (struct qmp *qmp, const char *node, const char *name,
                              struct failure *why) WARN_UNUSED;

#endif
