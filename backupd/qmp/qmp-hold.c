/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A device's property "drive" can be set while it is there.  Three things about that.  QEMU aborts
 * where it is set to what it is already.  A node that nobody holds, as one of -drive, goes when
 * its device has another: so a filter holds it before.  And both nodes must be of one thread: where
 * an iothread serves the device already, as a SCSI controller's does, the stand-in is moved
 * there, and the disk to the main thread, as QEMU 7.2 aborts where a client of an export in an
 * iothread leaves. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include <glib.h>

#include "json-members.h"
#include "qmp-graph.h"
#include "qmp-hold.h"
#include "qmp-iothread.h"
#include "qmp-node.h"

#define DEVICES "/machine/peripheral/"

/* --- nodes ------------------------------------------------------------------- */

/* Blkdebug over IMAGE (taken), which is a node's name or a node. */
static json_object *
filter (const char *node, json_object *image)
{
  json_object *options = json_with ("driver", "blkdebug");

  json_add_string (options, "node-name", node);
  json_object_object_add (options, "image", image);
  return options;
}

static void
add_error (json_object *options, json_object *list, const char *type)
{
  json_object *rule = json_with ("event", "none");

  json_add_i64 (rule, "errno", EIO);
  json_add_string (rule, "iotype", type);
  json_object_array_add (list, rule);
  json_object_object_add (options, "inject-error", json_object_get (list));
}

static int
add_stand_in (struct qmp *qmp, const struct qmp_hold *hold,
              struct failure *why)
{
  static const char *const types[] = { "read", "write", "write-zeroes",
                                       "discard" };
  json_object *null = json_with ("driver", "null-co"), *options;
  CLEANUP_JSON json_object *list = json_object_new_array ();

  json_add_u64 (null, "size", hold->size);
  json_add_bool (null, "read-zeroes", true);
  options = filter (hold->stand_in, null);
  for (size_t i = 0; i < G_N_ELEMENTS (types); i++)
    add_error (options, list, types[i]);
  return qmp_call (qmp, "blockdev-add", options, QMP_TIMEOUT_MS, NULL, why);
}

/* IOTHREAD: NULL, the main thread. */
static int
move (struct qmp *qmp, const char *node, const char *iothread,
      struct failure *why)
{
  json_object *arguments = json_with ("node-name", node);

  json_object_object_add (arguments, "iothread", iothread == NULL ? NULL
                          : json_object_new_string (iothread));
  return qmp_call (qmp, "x-blockdev-set-iothread", arguments, QMP_TIMEOUT_MS,
                   NULL, why);
}

/* --- the device ---------------------------------------------------------------- */

/* The node that it has now, a new string; NULL: none, or there is no such device. */
static int
current (struct qmp *qmp, const char *qdev, char **node, struct failure *why)
{
  CLEANUP_JSON json_object *blocks = NULL;
  int r = qmp_call (qmp, "query-block", NULL, QMP_TIMEOUT_MS, &blocks, why);
  json_object *inserted =
    json_get_object (json_find (blocks, "qdev", qdev), "inserted");

  if (r == 0)
    *node = g_strdup (json_get_string (inserted, "node-name"));
  return r;
}

static int
set (struct qmp *qmp, const char *qdev, const char *node, struct failure *why)
{
  g_autofree char *path = qdev[0] == '/' ? g_strdup (qdev)
                          : g_strconcat (DEVICES, qdev, NULL);
  json_object *arguments = json_with ("path", path);

  json_add_string (arguments, "property", "drive");
  json_add_string (arguments, "value", node);
  return qmp_call (qmp, "qom-set", arguments, QMP_TIMEOUT_MS, NULL, why);
}

/* Into the main thread, or, where QEMU refuses that, into the one that serves the
 * device: *MOVED. */
static int
exchange (struct qmp *qmp, const char *qdev, const char *node, bool *moved,
          struct failure *why)
{
  g_autofree char *iothread = NULL;
  struct failure refusal = { .error = 0 };
  int r = set (qmp, qdev, node, &refusal);

  *moved = false;
  if (r == -EREMOTEIO && qmp_has_command (qmp, "x-blockdev-set-iothread") &&
      qmp_iothread_of (qmp, qdev, &iothread, NULL) == 0 && iothread != NULL) {
    *moved = true;
    r = move (qmp, node, iothread, &refusal);
    if (r == 0)
      r = set (qmp, qdev, node, &refusal);
  }
  return r == 0 ? 0 : failure_set (why, refusal.class, -r, "%s", refusal.text);
}

/* --- both ---------------------------------------------------------------------- */

int
qmp_hold_take (struct qmp *qmp, const struct qmp_hold *hold,
               struct failure *why)
{
  g_autofree char *now = NULL;
  bool moved = false;
  int r = current (qmp, hold->qdev, &now, why);

  if (r == 0 && g_strcmp0 (now, hold->node) != 0)
    r = failure_set (why, FAILURE_QMP, ESTALE, "the device %s has another disk "
                     "by now", hold->qdev);
  if (r == 0)
    r = qmp_call (qmp, "blockdev-add",
                  filter (hold->keep, json_object_new_string (hold->node)),
                  QMP_TIMEOUT_MS, NULL, why);
  if (r == 0)
    r = add_stand_in (qmp, hold, why);
  if (r == 0)
    r = exchange (qmp, hold->qdev, hold->stand_in, &moved, why);
  return r == 0 && moved ? move (qmp, hold->node, NULL, why) : r;
}

int
qmp_hold_check (struct qmp *qmp, const struct qmp_hold *hold,
                struct failure *why)
{
  CLEANUP_JSON json_object *graph = NULL;
  int r = qmp_graph_load (qmp, &graph, why);
  const char *below = qmp_graph_child (graph, hold->keep, "image");

  if (r < 0 || graph == NULL || g_strcmp0 (below, hold->node) == 0)
    return r;
  return failure_set (why, FAILURE_BROKEN, ESTALE, "a snapshot or a block job has "
                      "put the node %s in the place of %s, which is the disk of "
                      "the device %s, and QEMU cannot give it back: end this "
                      "QEMU, without letting the machine run, and try again",
                      below == NULL ? "?" : below, hold->node, hold->qdev);
}

int
qmp_hold_give_back (struct qmp *qmp, const struct qmp_hold *hold, bool *was_held,
                    struct failure *why)
{
  const char *const ours[] = { hold->stand_in, hold->keep, NULL };
  g_autofree char *now = NULL;
  bool moved;
  int r = current (qmp, hold->qdev, &now, why);

  *was_held = r == 0 && g_strcmp0 (now, hold->stand_in) == 0;
  if (*was_held)
    r = qmp_hold_check (qmp, hold, why);
  if (*was_held && r == 0)
    r = exchange (qmp, hold->qdev, hold->node, &moved, why);
  return r < 0 ? r : qmp_node_remove_all (qmp, ours, why);
}
