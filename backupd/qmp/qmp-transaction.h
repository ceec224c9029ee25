/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A transaction that is built action by action, from strings that are copied.
 * Threads and errors as in qmp.h; timeouts are in milliseconds. */
#ifndef PULLBACK_QMP_TRANSACTION_H
#define PULLBACK_QMP_TRANSACTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "qmp.h"

struct qmp_transaction;

/* NULL: out of memory. */
struct qmp_transaction *qmp_transaction_create (void);
void qmp_transaction_destroy (struct qmp_transaction *t);
bool qmp_transaction_is_empty (const struct qmp_transaction *t);

/* GRANULARITY: bytes; 0: QEMU's choice. */
void qmp_transaction_bitmap_add (struct qmp_transaction *t, const char *node, const char *bitmap,
                                 uint32_t granularity, bool persistent, bool disabled);
void qmp_transaction_bitmap_remove (struct qmp_transaction *t, const char *node, const char *bitmap);
void qmp_transaction_bitmap_enable (struct qmp_transaction *t, const char *node, const char *bitmap);
void qmp_transaction_bitmap_disable (struct qmp_transaction *t, const char *node, const char *bitmap);
/* One action with N sources, all on SOURCE_NODE (NULL: on NODE). */
void qmp_transaction_bitmap_merge (struct qmp_transaction *t, const char *node, const char *target,
                                   const char *source_node, const char *const *sources,
                                   size_t n);
/* blockdev-backup sync=none auto-finalize auto-dismiss=false to node TARGET. */
void qmp_transaction_fleece (struct qmp_transaction *t, const char *job_id, const char *node,
                             const char *target, const char *filter_node);

/* Runs it (not consumed); all or nothing (QEMU rolls back). */
int qmp_transaction_run (struct qmp *qmp, struct qmp_transaction *t, int timeout_ms,
                         struct failure *why) WARN_UNUSED;

/* Runs its only action as the command of that name, which QEMU does not roll back. */
int qmp_transaction_run_alone (struct qmp *qmp, struct qmp_transaction *t, int timeout_ms,
                               struct failure *why) WARN_UNUSED;

#endif
