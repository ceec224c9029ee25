/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A path may mean another file in QEMU's mount namespace, may have got another
 * file since QEMU opened it, and may get one at any time.  So the path only
 * tells which of QEMU's own descriptors to look for.
 *
 * The order is that of what can be believed: the nodes, then the descriptors, then
 * the files that the nodes' names lead to.  A node that comes in between shows as a
 * descriptor too many, one that goes as a name too many: names are not believed then.
 * A name that is asked about must lead to the same file once more.  What the files
 * take is looked at before the nodes and after them, as they may be growing. */
#include <config.h>

#include <errno.h>

#include "json-members.h"
#include "qmp-graph.h"
#include "qmp-node.h"
#include "qmp-survey-private.h"

#define LOOKS 3

static struct qmp_survey *
survey_new (struct qmp *qmp, pid_t pid)
{
  struct qmp_survey *survey = g_new0 (struct qmp_survey, 1);

  survey->qmp = qmp;
  survey->pid = pid;
  survey->held = g_ptr_array_new_with_free_func (qmp_survey_held_free);
  survey->named = g_array_new (FALSE, FALSE, sizeof (struct qmp_named));
  survey->before = g_array_new (FALSE, FALSE, sizeof (struct stat));
  return survey;
}

static int
look_once (struct qmp_survey *survey, struct failure *why)
{
  int r;

  survey->error = qmp_survey_look_before (survey);
  r = qmp_node_list (survey->qmp, &survey->nodes, why);
  if (r < 0)
    return r;
  if (survey->error == 0 && qmp_has_command (survey->qmp, "query-fdsets"))
    survey->error = qmp_call (survey->qmp, "query-fdsets", NULL,
                              QMP_TIMEOUT_MS, &survey->sets, NULL);
  if (survey->error == 0)
    survey->error = qmp_survey_hold_all (survey);
  if (survey->error == 0)
    qmp_survey_follow_names (survey);
  return 0;
}

/* Does each file that a node's name leads to take as much as QEMU tells? */
static bool
all_fit (const struct qmp_survey *survey)
{
  for (guint i = 0; i < survey->named->len; i++) {
    const struct qmp_named *named =
      &g_array_index (survey->named, struct qmp_named, i);

    if (named->held != NULL && !named->fits)
      return false;
  }
  return true;
}

int
qmp_survey_create (struct qmp *qmp, pid_t pid, struct qmp_survey **ret,
                   struct failure *why)
{
  struct qmp_survey *survey = NULL;
  int r = 0;

  /* Storage that is taken and given back within a look is rare. */
  for (unsigned i = 0; i < LOOKS; i++) {
    qmp_survey_destroy (survey);
    survey = survey_new (qmp, pid);
    r = look_once (survey, why);
    if (r < 0 || all_fit (survey))
      break;
  }
  if (r < 0)
    qmp_survey_destroy (survey);
  else
    *ret = survey;
  return r;
}

void
qmp_survey_destroy (struct qmp_survey *survey)
{
  if (survey == NULL)
    return;
  g_ptr_array_unref (survey->held);
  g_array_unref (survey->named);
  g_array_unref (survey->before);
  json_object_put (survey->nodes);
  json_object_put (survey->graph);
  json_object_put (survey->sets);
  g_free (survey);
}

int
qmp_survey_add_graph (struct qmp_survey *survey, struct failure *why)
{
  return survey->graph != NULL ? 0
         : qmp_graph_load (survey->qmp, &survey->graph, why);
}

json_object *
qmp_survey_nodes (const struct qmp_survey *survey)
{
  return survey->nodes;
}

json_object *
qmp_survey_graph (const struct qmp_survey *survey)
{
  return survey->graph;
}

int
qmp_survey_look (const struct qmp_survey *survey, struct qmp_image *image)
{
  const struct qmp_held *held = survey->error < 0 ? NULL
                                : qmp_survey_held (survey, &image->st);

  if (held == NULL)
    return survey->error < 0 ? survey->error : -ENOENT;
  *image = held->image;
  return 0;
}

int
qmp_survey_find (const struct qmp_survey *survey, const char *filename,
                 struct qmp_image *image)
{
  g_autofree char *name = qmp_image_local_name (filename);
  struct qmp_image found = { .pid = survey->pid };
  int r = name == NULL ? -ENOENT
          : qmp_image_stat (survey->sets, name, survey->pid, &found.st);

  if (r == 0)
    r = qmp_survey_look (survey, &found);
  if (r == 0)
    *image = found;
  return r;
}

char *
qmp_survey_image_text (const struct qmp_survey *survey, const char *filename)
{
  g_autofree char *name = qmp_image_local_name (filename);
  g_autofree char *path = NULL, *stamp = NULL;
  struct qmp_image image;

  if (name == NULL)
    return g_strdup (filename);
  if (qmp_survey_find (survey, filename, &image) < 0)
    return g_strconcat (filename, QMP_IMAGE_NOT_KNOWN, NULL);
  path = g_strdup_printf ("/proc/%d/fd/%d", (int) image.pid, image.number);
  stamp = qmp_image_stamp (path, &image.st);
  return g_strconcat (filename, stamp, NULL);
}
