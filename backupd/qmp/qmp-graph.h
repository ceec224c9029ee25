/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The block graph as x-debug-query-block-graph shows it: which node is whose
 * child.  No other command of QEMU before 10.1 tells.  Threads: one. */
#ifndef PULLBACK_QMP_GRAPH_H
#define PULLBACK_QMP_GRAPH_H

#include <stdbool.h>
#include <stddef.h>

#include <glib.h>

#include "qmp.h"

/* Where QEMU does not have the command: 0, and a *GRAPH of NULL, in which the
 * functions below find nothing.  Free with json_object_put. */
int qmp_graph_load (struct qmp *qmp, json_object **graph, struct failure *why) WARN_UNUSED;

/* A filter that a job puts above a disk's node? */
bool qmp_graph_driver_is_filter (const char *driver);

/* The node that the filter NODE passes requests on to; NULL if unknown. */
const char *qmp_graph_filtered (json_object *graph, const char *node);

/* The node below NODE that is its "file", "backing" or whatever EDGE says; NULL:
 * there is none. */
const char *qmp_graph_child (json_object *graph, const char *node, const char *edge);

/* Is each of NODES, which a NULL ends, what the one before has below it: its backing image, or what a
 * filter without one passes requests on to? */
bool qmp_graph_is_chain (json_object *graph, const char *const *nodes);

/* How many there are of any kind. */
unsigned qmp_graph_count_children (json_object *graph, const char *node);

/* The names of the nodes below NODE, nearest first.  Free with
 * g_ptr_array_unref. */
GPtrArray *qmp_graph_below (json_object *graph, const char *node);

/* Is NODE not used by another node? */
bool qmp_graph_is_root (json_object *graph, const char *node);

/* The id of a block job that uses NODE or a filter above it; NULL if none. */
const char *qmp_graph_job (json_object *graph, const char *node);

/* Has BACKEND, of a guest's device, the permission to write its disk? */
bool qmp_graph_may_write (json_object *graph, const char *backend);

/* And does it let others write there, too (share-rw)?  False while it may not write itself. */
bool qmp_graph_is_shared (json_object *graph, const char *backend);

#endif
