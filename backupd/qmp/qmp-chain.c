/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which node is below which only the graph tells; file names do not, as two nodes may have
 * the same, and a node's "backing_file" is what it was opened by. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "json-members.h"
#include "qmp-chain.h"
#include "qmp-graph.h"

struct walk {
  json_object *nodes, *graph;
  GPtrArray *layers;
  struct failure *why;
};

static void
layer_free (gpointer data)
{
  struct qmp_layer *layer = data;

  g_free (layer->node);
  g_free (layer->filename);
  g_free (layer->file);
  g_free (layer);
}

static bool
is_driver (json_object *node, const char *driver)
{
  return json_has_string (node, "drv", driver);
}

static int
refuse (struct walk *walk, json_object *node, const char *what)
{
  const char *name = json_get_string (node, "node-name");
  const char *driver = json_get_string (node, "drv");

  return failure_set (walk->why, FAILURE_QMP_UNSUPPORTED, ENOTSUP,
                      "QEMU's node %s (%s) %s", name == NULL ? "?" : name,
                      driver == NULL ? "?" : driver, what);
}

/* NULL: there is none. */
static json_object *
child (const struct walk *walk, json_object *node, const char *edge)
{
  const char *name = qmp_graph_child (walk->graph,
                                      json_get_string (node, "node-name"),
                                      edge);

  return name == NULL ? NULL : json_find (walk->nodes, "node-name", name);
}

static bool
is_local (json_object *node)
{
  return is_driver (node, "file") || is_driver (node, "host_device");
}

/* NODE shows what is in FILE, below it. */
static int
add (struct walk *walk, json_object *node, json_object *file,
     const char *format)
{
  const char *filename = json_get_string (file, "file");
  struct qmp_layer *layer;

  if (file == NULL || !is_local (file) || filename == NULL)
    return refuse (walk, file == NULL ? node : file,
                   "is no local file or device");
  layer = g_new0 (struct qmp_layer, 1);
  layer->format = format;
  layer->node = g_strdup (json_get_string (node, "node-name"));
  layer->filename = g_strdup (filename);
  layer->file = g_strconcat (json_get_string (file, "node-name"), " ", filename,
                             NULL);
  layer->never_flushed = json_get_bool (json_get_object (file, "cache"),
                                        "no-flush");
  g_ptr_array_add (walk->layers, layer);
  if (strcmp (format, "data") == 0)
    return 0;
  layer->size = json_get_u64 (json_get_object (node, "image"), "virtual-size");
  layer->read_only = json_get_bool (node, "ro");
  return 0;
}

static int
add_qcow2 (struct walk *walk, json_object *node, json_object *backing)
{
  json_object *data = child (walk, node, "data-file");
  unsigned children = 1 + (data != NULL) + (backing != NULL);
  int r;

  if (json_get_bool (json_get_object (node, "image"), "encrypted"))
    return refuse (walk, node, "is encrypted");
  if (qmp_graph_count_children (walk->graph,
                                json_get_string (node, "node-name"))
      != children)
    return refuse (walk, node, "has something unknown below it");
  r = add (walk, node, child (walk, node, "file"), "qcow2");
  return r < 0 || data == NULL ? r : add (walk, data, data, "data");
}

/* Adds what NODE is, and sets it to what is below. */
static int
add_layer (struct walk *walk, json_object **node)
{
  json_object *top = *node;

  if (walk->layers->len >= QMP_CHAIN_MAX)
    return refuse (walk, top, "has too many images above it");
  *node = NULL;
  if (is_driver (top, "qcow2")) {
    *node = child (walk, top, "backing");
    return add_qcow2 (walk, top, *node);
  }
  if (is_driver (top, "raw"))
    return add (walk, top, child (walk, top, "file"), "raw");
  return is_local (top) ? add (walk, top, top, "raw")
         : refuse (walk, top, "is of a kind that is not read without QEMU");
}

int
qmp_chain_find (const struct qmp_survey *survey, const char *node,
                GPtrArray **layers, struct failure *why)
{
  g_autoptr (GPtrArray) found = g_ptr_array_new_with_free_func (layer_free);
  struct walk walk = { .nodes = qmp_survey_nodes (survey),
                       .graph = qmp_survey_graph (survey),
                       .layers = found, .why = why };
  json_object *next = json_find (walk.nodes, "node-name", node);
  int r = 0;

  if (walk.graph == NULL || next == NULL)
    return failure_set (why, FAILURE_QMP_UNSUPPORTED, ENOTSUP, "QEMU does not "
                        "tell what is below node %s", node);
  while (r == 0 && next != NULL)
    r = add_layer (&walk, &next);
  if (r == 0)
    *layers = g_steal_pointer (&found);
  return r;
}
