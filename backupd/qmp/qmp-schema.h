/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is kept of query-qmp-schema: which commands there are, and their
 * arguments.  Threads: read-only once made. */
#ifndef PULLBACK_QMP_SCHEMA_H
#define PULLBACK_QMP_SCHEMA_H

#include <stdbool.h>

#include <json-c/json.h>

#include "qmp.h"

struct qmp_schema;

/* Asks QEMU.  It is large on both sides, so that a hundred sessions that open at
 * once would take all memory, and each other's time: waits while several others
 * read theirs.  TIMEOUT_MS, at least 3 s, begins then. */
int qmp_schema_read (struct qmp *qmp, int timeout_ms, struct qmp_schema **schema,
                     struct failure *why) WARN_UNUSED;

/* From the "return" of query-qmp-schema.  -EPROTO if it is none. */
int qmp_schema_create (json_object *types, struct qmp_schema **schema) WARN_UNUSED;
void qmp_schema_destroy (struct qmp_schema *schema);

bool qmp_schema_has (const struct qmp_schema *schema, const char *command, const char *member);

#endif
