/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QEMU shows a list of nodes (its own, and those who use one: jobs, devices, exports)
 * and a list of edges between their numbers.  There are some dozens of each, so that
 * every question walks them anew. */
#include <config.h>

#include <string.h>

#include "qmp-graph.h"
#include "json-members.h"

/* Filters above filters: nobody has more. */
#define LEVELS_MAX 32

int
qmp_graph_load (struct qmp *qmp, json_object **graph, struct failure *why)
{
  if (!qmp_has_command (qmp, "x-debug-query-block-graph")) {
    *graph = NULL;
    return 0;
  }
  return qmp_call (qmp, "x-debug-query-block-graph", NULL, QMP_TIMEOUT_MS,
                   graph, why);
}

bool
qmp_graph_driver_is_filter (const char *driver)
{
  static const char *const filters[] = {
    "copy-before-write", "backup-top", "mirror_top", "commit_top"
  };
  size_t i;

  for (i = 0; i < sizeof filters / sizeof filters[0]; i++)
    if (strcmp (driver, filters[i]) == 0)
      return true;
  return false;
}

/* The graph's entry with the number ID, or (ID 0) the node called NAME. */
static json_object *
find_entry (json_object *graph, uint64_t id, const char *name)
{
  json_object *nodes = json_get_array (graph, "nodes"), *entry;
  size_t i, n = json_length (nodes);

  for (i = 0; i < n; i++) {
    entry = json_object_array_get_idx (nodes, i);
    if (id != 0 ? json_get_u64 (entry, "id") == id
        : json_has_string (entry, "type", "block-driver")
          && json_has_string (entry, "name", name))
      return entry;
  }
  return NULL;
}

static uint64_t
node_id (json_object *graph, const char *node)
{
  return json_get_u64 (find_entry (graph, 0, node), "id");
}

static bool
edge_is_filtering (json_object *edge)
{
  return json_has_string (edge, "name", "file")
         || json_has_string (edge, "name", "backing");
}

const char *
qmp_graph_filtered (json_object *graph, const char *node)
{
  json_object *edges = json_get_array (graph, "edges"), *edge;
  uint64_t id = node_id (graph, node);
  size_t i, n = json_length (edges);

  for (i = 0; i < n && id != 0; i++) {
    edge = json_object_array_get_idx (edges, i);
    if (json_get_u64 (edge, "parent") == id && edge_is_filtering (edge))
      return json_get_string (find_entry (graph, json_get_u64 (edge, "child"),
                                          NULL), "name");
  }
  return NULL;
}

const char *
qmp_graph_child (json_object *graph, const char *node, const char *edge)
{
  json_object *edges = json_get_array (graph, "edges"), *one;
  uint64_t id = node_id (graph, node);
  size_t i, n = json_length (edges);

  for (i = 0; i < n && id != 0; i++) {
    one = json_object_array_get_idx (edges, i);
    if (json_get_u64 (one, "parent") == id
        && json_has_string (one, "name", edge))
      return json_get_string (find_entry (graph, json_get_u64 (one, "child"),
                                          NULL), "name");
  }
  return NULL;
}

bool
qmp_graph_is_chain (json_object *graph, const char *const *nodes)
{
  for (; nodes[0] != NULL && nodes[1] != NULL; nodes++) {
    const char *below = qmp_graph_child (graph, nodes[0], "backing");

    if (below == NULL)
      below = qmp_graph_child (graph, nodes[0], "file");
    if (below == NULL || strcmp (below, nodes[1]) != 0)
      return false;
  }
  return true;
}

unsigned
qmp_graph_count_children (json_object *graph, const char *node)
{
  json_object *edges = json_get_array (graph, "edges");
  uint64_t id = node_id (graph, node);
  unsigned count = 0;
  size_t i, n = json_length (edges);

  for (i = 0; i < n && id != 0; i++)
    if (json_get_u64 (json_object_array_get_idx (edges, i), "parent") == id)
      count++;
  return count;
}

GPtrArray *
qmp_graph_below (json_object *graph, const char *node)
{
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
  json_object *edges = json_get_array (graph, "edges"), *edge, *child;
  uint64_t id = node_id (graph, node);
  size_t i, n = json_length (edges);
  guint next = 0;

  while (id != 0) {
    for (i = 0; i < n; i++) {
      edge = json_object_array_get_idx (edges, i);
      child = json_get_u64 (edge, "parent") != id ? NULL
              : find_entry (graph, json_get_u64 (edge, "child"), NULL);
      if (json_get_string (child, "name") != NULL)
        g_ptr_array_add (names, g_strdup (json_get_string (child, "name")));
    }
    id = next < names->len
         ? node_id (graph, g_ptr_array_index (names, next)) : 0;
    next++;
  }
  return names;
}

bool
qmp_graph_is_root (json_object *graph, const char *node)
{
  json_object *edges = json_get_array (graph, "edges"), *edge, *parent;
  uint64_t id = node_id (graph, node);
  size_t i, n = json_length (edges);

  for (i = 0; i < n; i++) {
    edge = json_object_array_get_idx (edges, i);
    if (json_get_u64 (edge, "child") != id)
      continue;
    parent = find_entry (graph, json_get_u64 (edge, "parent"), NULL);
    if (json_has_string (parent, "type", "block-driver"))
      return false;
  }
  return id != 0;
}

/* A job among the parents of ID; or else in *UP a node that filters ID. */
static const char *
job_above (json_object *graph, uint64_t id, uint64_t *up)
{
  json_object *edges = json_get_array (graph, "edges"), *edge, *parent;
  size_t i, n = json_length (edges);
  const char *job;

  *up = 0;
  for (i = 0; i < n; i++) {
    edge = json_object_array_get_idx (edges, i);
    if (json_get_u64 (edge, "child") != id)
      continue;
    parent = find_entry (graph, json_get_u64 (edge, "parent"), NULL);
    job = json_get_string (parent, "name");
    if (json_has_string (parent, "type", "block-job") && job != NULL && *job)
      return job;
    if (json_has_string (parent, "type", "block-driver")
        && edge_is_filtering (edge))
      *up = json_get_u64 (parent, "id");
  }
  return NULL;
}

const char *
qmp_graph_job (json_object *graph, const char *node)
{
  uint64_t id = node_id (graph, node);
  const char *job = NULL;
  int level;

  for (level = 0; level < LEVELS_MAX && id != 0 && job == NULL; level++)
    job = job_above (graph, id, &id);
  return job;
}

static bool
edge_has_permission (json_object *edge, const char *key,
                     const char *permission)
{
  json_object *list = json_get_array (edge, key);
  size_t i, n = json_length (list);

  for (i = 0; i < n; i++)
    if (strcmp (json_object_get_string (json_object_array_get_idx (list, i)),
                permission) == 0)
      return true;
  return false;
}

/* An edge by which BACKEND may write, and (OTHERS) lets others write, too. */
static bool
backend_writes (json_object *graph, const char *backend, bool others)
{
  json_object *edges = json_get_array (graph, "edges"), *edge, *parent;
  size_t i, n = json_length (edges);

  for (i = 0; i < n; i++) {
    edge = json_object_array_get_idx (edges, i);
    if (!edge_has_permission (edge, "perm", "write")
        || (others && !edge_has_permission (edge, "shared-perm", "write")))
      continue;
    parent = find_entry (graph, json_get_u64 (edge, "parent"), NULL);
    if (json_has_string (parent, "type", "block-backend")
        && json_has_string (parent, "name", backend))
      return true;
  }
  return false;
}

bool
qmp_graph_may_write (json_object *graph, const char *backend)
{
  return backend_writes (graph, backend, false);
}

bool
qmp_graph_is_shared (json_object *graph, const char *backend)
{
  return backend_writes (graph, backend, true);
}
