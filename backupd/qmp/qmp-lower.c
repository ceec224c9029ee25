/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which image is below which the graph tells: what headers name may be something else.  All that
 * are there are listed, also those by which nothing can be told, as a bitmap on one of them
 * says that one of the same name above it is not what it seems. */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "json-members.h"
#include "qmp-graph.h"
#include "qmp-lower.h"

/* As a longer chain than any that a person makes. */
#define LEVELS_MAX 200

/* Of qcow2. */
#define CLUSTER_LEAST 512
#define SUBCLUSTERS 32

bool
qmp_lower_can_persist (json_object *node)
{
  json_object *specific = json_get_object (json_get_object (node, "image"),
                                           "format-specific");

  return json_has_string (node, "drv", "qcow2") &&
         json_has_string (json_get_object (specific, "data"), "compat", "1.1");
}

/* What is below NODE: its backing image, or what a filter passes requests on to (QEMU calls that
 * "file", but for the filters of mirror and commit).  NULL: there is nothing; what a format
 * keeps its image in is none. */
static const char *
below (const struct qmp_survey *survey, json_object *node, bool *is_backing)
{
  json_object *graph = qmp_survey_graph (survey);
  const char *name = json_get_string (node, "node-name"), *lower;

  lower = qmp_graph_child (graph, name, "backing");
  *is_backing = lower != NULL;
  if (*is_backing)
    return lower;
  lower = qmp_graph_child (graph, name, "file");
  return lower == NULL || qmp_graph_count_children (graph, lower) > 0 ||
         !(json_has_string (node, "drv", "qcow2") ||
           json_has_string (node, "drv", "raw")) ? lower : NULL;
}

/* Is there something below NODE, the last one of N that were found, or at 0 the disk's own,
 * that was not looked at?  What quorum has below it is not one chain, and is no matter to a disk
 * that is one. */
static bool
ends_early (const struct qmp_survey *survey, json_object *node, size_t n)
{
  json_object *graph = qmp_survey_graph (survey);
  const char *name = json_get_string (node, "node-name");
  bool is_backing;

  return below (survey, node, &is_backing) != NULL ||
         (n > 0 && qmp_graph_child (graph, name, "file") == NULL &&
          qmp_graph_count_children (graph, name) > 0);
}

/* An image of compat 0.10 cannot keep in mind that something was discarded. */
static bool
shows (json_object *above, json_object *node)
{
  return qmp_lower_can_persist (above) &&
         json_get_u64 (json_get_object (above, "image"), "virtual-size") ==
         json_get_u64 (json_get_object (node, "image"), "virtual-size");
}

static int
fill (const struct qmp_survey *survey, json_object *node, bool shows_through,
      struct qmp_lower *lower)
{
  const char *file = json_get_string (node, "file");

  lower->node = g_strdup (json_get_string (node, "node-name"));
  lower->image = file == NULL ? g_strdup (QMP_IMAGE_NOT_KNOWN)
                              : qmp_survey_image_text (survey, file);
  lower->shows_through = shows_through && lower->node != NULL;
  return qmp_bitmaps_read (node, &lower->bitmaps, &lower->n_bitmaps);
}

int
qmp_lower_read (const struct qmp_survey *survey, const char *name,
                struct qmp_lower **lower, size_t *n, bool *unseen)
{
  json_object *nodes = qmp_survey_nodes (survey);
  json_object *node = json_find (nodes, "node-name", name), *next;
  GArray *found = g_array_new (FALSE, TRUE, sizeof (struct qmp_lower));
  bool shows_through = true, is_backing;
  int r = 0;

  while (r == 0 && node != NULL && found->len < LEVELS_MAX) {
    const char *lower_name = below (survey, node, &is_backing);

    next = lower_name == NULL ? NULL
           : json_find (nodes, "node-name", lower_name);
    if (next == NULL)
      break;
    shows_through = shows_through && is_backing && shows (node, next);
    g_array_set_size (found, found->len + 1);
    r = fill (survey, next, shows_through,
              &g_array_index (found, struct qmp_lower, found->len - 1));
    node = next;
  }
  *unseen = node != NULL && ends_early (survey, node, found->len);
  *n = found->len;
  *lower = (struct qmp_lower *) g_array_free (found, FALSE);
  return r;
}

/* --- clusters ----------------------------------------------------- */

static bool
is_local (json_object *node)
{
  return json_has_string (node, "drv", "file") ||
         json_has_string (node, "drv", "host_device");
}

/* Is what NODE keeps its image in, if it has such an EDGE at all, a local file? */
static bool
has_local (const struct qmp_survey *survey, json_object *node,
           const char *edge)
{
  const char *name = qmp_graph_child (qmp_survey_graph (survey),
                                      json_get_string (node, "node-name"),
                                      edge);

  return name == NULL ||
         is_local (json_find (qmp_survey_nodes (survey), "node-name", name));
}

/* Takes account of a qcow2 image. */
static bool
add_qcow2 (json_object *node, struct qmp_clusters *clusters)
{
  json_object *image = json_get_object (node, "image");
  json_object *specific = json_get_object (image, "format-specific");
  uint64_t cluster = json_get_u64 (image, "cluster-size"), least;

  if (cluster < CLUSTER_LEAST || (cluster & (cluster - 1)) != 0)
    return false;
  least = json_get_bool (json_get_object (specific, "data"), "extended-l2")
          ? cluster / SUBCLUSTERS : cluster;
  clusters->least = clusters->least == 0 ? least : MIN (clusters->least, least);
  clusters->largest = MAX (clusters->largest, cluster);
  return true;
}

static bool
add_clusters (const struct qmp_survey *survey, json_object *node,
              struct qmp_clusters *clusters)
{
  if (json_has_string (node, "drv", "qcow2"))
    return has_local (survey, node, "file") &&
           has_local (survey, node, "data-file") && add_qcow2 (node, clusters);
  return is_local (node) || (json_has_string (node, "drv", "raw") &&
                             has_local (survey, node, "file"));
}

bool
qmp_lower_clusters (const struct qmp_survey *survey, const char *name,
                    struct qmp_clusters *clusters)
{
  json_object *nodes = qmp_survey_nodes (survey), *node;
  struct qmp_clusters found = { 0, 0 };
  bool is_backing;

  if (qmp_survey_graph (survey) == NULL)
    return false;
  for (unsigned n = 0; name != NULL && n <= LEVELS_MAX; n++) {
    node = json_find (nodes, "node-name", name);
    if (node == NULL || !add_clusters (survey, node, &found))
      return false;
    name = below (survey, node, &is_backing);
  }
  if (name == NULL)
    *clusters = found;
  return name == NULL;
}

void
qmp_lower_free (struct qmp_lower *lower, size_t n)
{
  for (size_t i = 0; i < n; i++) {
    g_free (lower[i].node);
    g_free (lower[i].image);
    qmp_bitmaps_free (lower[i].bitmaps, lower[i].n_bitmaps);
  }
  g_free (lower);
}
