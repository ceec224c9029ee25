/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How the images of a disk are divided, by what QEMU tells of its nodes. */
#include <config.h>

#include <string.h>

#include <glib.h>

#include "qmp-lower.h"
#include "qmp-survey-private.h"
#include "test-qmp.h"

/* "raw" above a file; "big", "small" and "odd" above each other and files. */
static const char nodes[] =
  "[{'node-name': 'f', 'drv': 'file'}, {'node-name': 'n', 'drv': 'nbd'},"
  " {'node-name': 'raw', 'drv': 'raw'}, {'node-name': 'net', 'drv': 'raw'},"
  " {'node-name': 'big', 'drv': 'qcow2', 'image': {'cluster-size': 2097152}},"
  " {'node-name': 'small', 'drv': 'qcow2', 'image': {'cluster-size': 65536,"
  "   'format-specific': {'data': {'extended-l2': true}}}},"
  " {'node-name': 'odd', 'drv': 'qcow2', 'image': {'cluster-size': 100}},"
  " {'node-name': 'far', 'drv': 'qcow2', 'image': {'cluster-size': 65536}},"
  " {'node-name': 'apart', 'drv': 'qcow2', 'image': {'cluster-size': 65536}},"
  " {'node-name': 'vmdk', 'drv': 'vmdk', 'image': {'cluster-size': 65536}}]";

static const char *const edges[][3] = {
  { "raw", "file", "f" }, { "net", "file", "n" },
  { "small", "file", "f" }, { "small", "backing", "raw" },
  { "big", "file", "f" }, { "big", "backing", "small" },
  { "odd", "file", "f" }, { "far", "file", "f" }, { "far", "backing", "net" },
  { "apart", "file", "f" }, { "apart", "data-file", "n" },
};

static json_object *
parse (const char *text)
{
  g_autofree char *copy = g_strdup (text);
  json_object *o = json_tokener_parse (g_strdelimit (copy, "'", '"'));

  CHECK (o != NULL);
  return o;
}

static unsigned
number_of (json_object *list, const char *name)
{
  for (size_t i = 0; i < json_object_array_length (list); i++) {
    json_object *node = json_object_array_get_idx (list, i);

    if (strcmp (json_object_get_string (json_object_object_get (node,
                                                                "node-name")),
                name) == 0)
      return (unsigned) i + 1;
  }
  abort ();
}

/* As x-debug-query-block-graph shows it. */
static json_object *
make_graph (json_object *list)
{
  g_autoptr (GString) text = g_string_new ("{'nodes': [");

  for (size_t i = 0; i < json_object_array_length (list); i++)
    g_string_append_printf (text, "%s{'id': %zu, 'type': 'block-driver', "
                            "'name': %s}", i == 0 ? "" : ", ", i + 1,
                            json_object_to_json_string (json_object_object_get (
                              json_object_array_get_idx (list, i),
                              "node-name")));
  g_string_append (text, "], 'edges': [");
  for (size_t i = 0; i < G_N_ELEMENTS (edges); i++)
    g_string_append_printf (text, "%s{'parent': %u, 'name': '%s', 'child': %u}",
                            i == 0 ? "" : ", ", number_of (list, edges[i][0]),
                            edges[i][1], number_of (list, edges[i][2]));
  g_string_append (text, "]}");
  return parse (text->str);
}

static void
check (const struct qmp_survey *survey, const char *node, bool known,
       uint64_t least, uint64_t largest)
{
  struct qmp_clusters clusters = { 1, 1 };

  CHECK (qmp_lower_clusters (survey, node, &clusters) == known);
  CHECK (clusters.least == (known ? least : 1));
  CHECK (clusters.largest == (known ? largest : 1));
}

int
main (void)
{
  struct qmp_survey survey = { .nodes = parse (nodes) };

  check (&survey, "raw", false, 0, 0);
  survey.graph = make_graph (survey.nodes);
  check (&survey, "f", true, 0, 0);
  check (&survey, "raw", true, 0, 0);
  check (&survey, "small", true, 2048, 65536);
  check (&survey, "big", true, 2048, 2097152);
  /* What is no local file may be divided in any way. */
  check (&survey, "net", false, 0, 0);
  check (&survey, "far", false, 0, 0);
  check (&survey, "apart", false, 0, 0);
  check (&survey, "vmdk", false, 0, 0);
  check (&survey, "odd", false, 0, 0);
  check (&survey, "none", false, 0, 0);
  json_object_put (survey.nodes);
  json_object_put (survey.graph);
  return 0;
}
