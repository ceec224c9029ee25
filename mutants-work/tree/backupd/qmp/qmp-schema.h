/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is kept of query-qmp-schema: which commands there are, and their
 * arguments.  Threads: read-only once made. */
#ifndef PULLBACK_QMP_SCHEMA_H
#define PULLBACK_QMP_SCHEMA_H

#include <stdbool.h>

#include <json-c/json.h>

#include "failure.h"

struct qmp_schema;

/* From the "return" of query-qmp-schema.  -EPROTO if it is none. */
int qmp_schema_create (json_object *types, struct qmp_schema **schema) WARN_UNUSED;
void qmp_schema_destroy (struct qmp_schema *schema);

/* MEMBER: as in qmp_has_member; "": is there such a command? */
bool qmp_schema_has (const struct qmp_schema *schema, const char *command, const char *member);

/* qmp_check_needed; NAME is of the transport. */
int qmp_schema_check_needed (const struct qmp_schema *schema, const char *name,
                             struct failure *why) WARN_UNUSED;

#endif
