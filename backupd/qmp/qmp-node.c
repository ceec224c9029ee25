/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A refusal is a sentence and no number.  Where what is to go may have gone by itself,
 * QEMU is asked what there is rather than its words compared. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include <glib.h>

#include "deadline.h"
#include "qmp-graph.h"
#include "json-members.h"
#include "qmp-iothread.h"
#include "qmp-job.h"
#include "qmp-node.h"

/* All of QEMU waits for the connection of a new node. */
#define OPEN_TIMEOUT_S 2

/* libvirt dismisses a job in milliseconds, and makes an image in not many more ... */
#define JOBS_TIMEOUT_MS 2000
#define JOBS_POLL_MS 50
/* ... and then mostly the next one, of another disk, within this. */
#define NEXT_IMAGE_MS 200

static int
refuse (const char *stream, const char *image, struct failure *why)
{
  if (stream != NULL)
    return failure_set (why, FAILURE_BUSY, EBUSY, "QEMU's block-stream %s has "
                        "ended and was not dismissed, and QEMU may crash "
                        "when it is asked for its nodes before that: "
                        "dismiss the job, and try again", stream);
  return failure_set (why, FAILURE_BUSY, EBUSY, "QEMU makes an image (job %s), "
                      "and may crash when it is asked for its nodes before "
                      "that has ended: try again then", image);
}

/* Rules Q4 and Q5. */
static int
wait_for_jobs (struct qmp *qmp, struct failure *why)
{
  int64_t deadline_ms = now_ms () + JOBS_TIMEOUT_MS, quiet_ms = 0;
  g_autofree char *last = NULL;

  for (;;) {
    CLEANUP_JSON json_object *jobs = NULL;
    int r = qmp_job_list (qmp, &jobs, why);
    const char *stream = r < 0 ? NULL : qmp_job_stream_that_ends (jobs);
    const char *image = r < 0 ? NULL : qmp_job_that_creates (jobs);

    if (r < 0)
      return r;
    if (image != NULL) {
      g_free (last);
      last = g_strdup (image);
      quiet_ms = now_ms () + NEXT_IMAGE_MS;
    }
    if (stream == NULL && now_ms () >= quiet_ms)
      return 0;
    if (ms_left (deadline_ms) == 0)
      return refuse (stream, last, why);
    g_usleep (JOBS_POLL_MS * 1000);
  }
}

int
qmp_node_list (struct qmp *qmp, json_object **nodes, struct failure *why)
{
  json_object *arguments = NULL;
  int r = wait_for_jobs (qmp, why);

  if (r < 0)
    return r;
  if (qmp_has_member (qmp, "query-named-block-nodes", "flat")) {
    arguments = json_object_new_object ();
    json_add_bool (arguments, "flat", true);
  }
  return qmp_call (qmp, "query-named-block-nodes", arguments, QMP_TIMEOUT_MS,
                   nodes, why);
}

int
qmp_node_add_nbd (struct qmp *qmp, const char *node, const char *socket,
                  const char *export_name, unsigned reconnect_delay,
                  struct failure *why)
{
  json_object *arguments = json_with ("driver", "nbd");
  json_object *server = json_with ("type", "unix");

  json_add_string (arguments, "node-name", node);
  json_add_string (server, "path", socket);
  json_object_object_add (arguments, "server", server);
  json_add_string (arguments, "export", export_name);
  if (qmp_has_member (qmp, "blockdev-add", "nbd.reconnect-delay"))
    json_add_i64 (arguments, "reconnect-delay", reconnect_delay);
  if (qmp_has_member (qmp, "blockdev-add", "nbd.open-timeout"))
    json_add_i64 (arguments, "open-timeout", OPEN_TIMEOUT_S);
  return qmp_call (qmp, "blockdev-add", arguments, QMP_TIMEOUT_MS, NULL, why);
}

int
qmp_node_add_null (struct qmp *qmp, const char *node, uint64_t size,
                   struct failure *why)
{
  json_object *arguments = json_with ("driver", "null-co");

  json_add_string (arguments, "node-name", node);
  json_add_u64 (arguments, "size", size);
  json_add_bool (arguments, "read-only", true);
  return qmp_call (qmp, "blockdev-add", arguments, QMP_TIMEOUT_MS, NULL, why);
}

int
qmp_node_add_access (struct qmp *qmp, const char *node, const char *filter,
                     struct failure *why)
{
  json_object *arguments;
  int r;

  if (!qmp_has_member (qmp, "blockdev-add", "snapshot-access.file"))
    return failure_set (why, FAILURE_QMP_UNSUPPORTED, ENOTSUP, "this QEMU has "
                        "no snapshot-access nodes");
  r = qmp_iothread_any (qmp, why);
  if (r < 0)
    return r;
  if (r > 0)
    return failure_set (why, FAILURE_QMP_UNSUPPORTED, ENOTSUP, "a node cannot "
                        "be put above it while QEMU has iothreads");
  arguments = json_with ("driver", "snapshot-access");
  json_add_string (arguments, "node-name", node);
  json_add_string (arguments, "file", filter);
  return qmp_call (qmp, "blockdev-add", arguments, QMP_TIMEOUT_MS, NULL, why);
}

/* No command says whether a flush failed but one that begins with a flush.  It cannot do
 * more: such a filter has nothing that could be opened anew. */
int
qmp_node_flush (struct qmp *qmp, const char *filter, const char *node,
                const char *target, struct failure *why)
{
  json_object *options = json_with ("driver", "copy-before-write");
  json_object *list = json_object_new_array ();
  json_object *arguments = json_object_new_object ();
  struct failure refusal = { .error = 0 };
  int r;

  json_add_string (options, "node-name", filter);
  json_add_string (options, "file", node);
  json_add_string (options, "target", target);
  json_object_array_add (list, options);
  json_object_object_add (arguments, "options", list);
  r = qmp_call (qmp, "blockdev-reopen", arguments, QMP_TIMEOUT_MS, NULL,
                &refusal);
  if (r == 0
      || (r == -EREMOTEIO
          && strstr (refusal.text, "does not support reopening") != NULL))
    return 0;
  return failure_set (why, refusal.class, -r, "%s", refusal.text);
}

int
qmp_node_exists (struct qmp *qmp, const char *node, struct failure *why)
{
  CLEANUP_JSON json_object *nodes = NULL;
  int r = qmp_node_list (qmp, &nodes, why);

  return r < 0 ? r : json_find (nodes, "node-name", node) != NULL;
}

int
qmp_node_remove (struct qmp *qmp, const char *node, struct failure *why)
{
  struct failure refusal = { .error = 0 };
  int r;

  r = qmp_call (qmp, "blockdev-del", json_with ("node-name", node),
                QMP_TIMEOUT_MS, NULL, &refusal);
  if (r == 0
      || (r == -EREMOTEIO && qmp_node_exists (qmp, node, NULL) == 0))
    return 0;
  return failure_set (why, refusal.class, -r, "%s", refusal.text);
}

int
qmp_node_remove_all (struct qmp *qmp, const char *const *nodes,
                     struct failure *why)
{
  CLEANUP_JSON json_object *there = NULL;
  int first = qmp_node_list (qmp, &there, why);

  for (size_t i = 0; there != NULL && nodes[i] != NULL; i++) {
    struct failure one = { .error = 0 };
    int r = json_find (there, "node-name", nodes[i]) == NULL ? 0
            : qmp_node_remove (qmp, nodes[i], &one);

    if (r < 0 && first == 0)
      first = failure_set (why, one.class, -r, "%s", one.text);
  }
  return first;
}

int
qmp_node_remove_chain (struct qmp *qmp, const char *node, struct failure *why)
{
  CLEANUP_JSON json_object *graph = NULL;
  g_autoptr (GPtrArray) below = NULL;
  int r;

  r = qmp_graph_load (qmp, &graph, why);
  if (r < 0)
    return r;
  below = qmp_graph_below (graph, node);
  r = qmp_node_remove (qmp, node, why);
  for (guint i = 0; r == 0 && i < below->len; i++) {
    const char *name = g_ptr_array_index (below, i);

    /* Refused where others use it, or where it went with its parent. */
    if (qmp_call (qmp, "blockdev-del", json_with ("node-name", name),
                  QMP_TIMEOUT_MS, NULL, NULL) < 0)
      continue;
  }
  return r;
}

/* The node that NODE's backing file is open as; NULL if it has none. */
static json_object *
backing_node (json_object *nodes, json_object *node)
{
  const char *file = json_get_string (node, "backing_file");
  size_t i, n = json_length (nodes);

  for (i = 0; file != NULL && i < n; i++) {
    json_object *other = json_object_array_get_idx (nodes, i);

    /* The protocol node below has the same file name, but no format. */
    if (other != node && json_has_string (other, "file", file)
        && !json_has_string (other, "drv", "file")
        && !json_has_string (other, "drv", "host_device"))
      return other;
  }
  return NULL;
}

int
qmp_node_bitmap_is_below (struct qmp *qmp, const char *node, const char *name,
                          struct failure *why)
{
  CLEANUP_JSON json_object *nodes = NULL;
  json_object *below;
  size_t depth;
  int r = qmp_node_list (qmp, &nodes, why);

  if (r < 0)
    return r;
  below = json_find (nodes, "node-name", node);
  for (depth = json_length (nodes); below != NULL && depth > 0; depth--) {
    below = backing_node (nodes, below);
    if (json_find (json_get_array (below, "dirty-bitmaps"), "name",
                       name) != NULL)
      return 1;
  }
  return 0;
}
