/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "deadline.h"
#include "qmp-block.h"
#include "qmp-graph.h"
#include "qmp-json.h"
#include "qmp-names.h"
#include "qmp-session.h"

/* How long an event is waited for before QEMU is asked again. */
#define POLL_MS 100

static json_object *
arguments_with (const char *key, const char *value)
{
  json_object *arguments = json_object_new_object ();

  json_object_object_add (arguments, key, json_object_new_string (value));
  return arguments;
}

static void
set_string (json_object *object, const char *key, const char *value)
{
  json_object_object_add (object, key, json_object_new_string (value));
}

int
qmp_nbd_node_add (struct qmp *qmp, const char *node, const char *socket,
                  const char *export_name, unsigned reconnect_delay,
                  struct failure *why)
{
  json_object *arguments = arguments_with ("driver", "nbd");
  json_object *server = arguments_with ("type", "unix");

  set_string (arguments, "node-name", node);
  set_string (server, "path", socket);
  json_object_object_add (arguments, "server", server);
  set_string (arguments, "export", export_name);
  if (qmp_has_member (qmp, "blockdev-add", "nbd.reconnect-delay"))
    json_object_object_add (arguments, "reconnect-delay",
                            json_object_new_int64 (reconnect_delay));
  return qmp_call (qmp, "blockdev-add", arguments, QMP_TIMEOUT_MS, NULL, why);
}

int
qmp_null_node_add (struct qmp *qmp, const char *node, uint64_t size,
                   struct failure *why)
{
  json_object *arguments = arguments_with ("driver", "null-co");

  set_string (arguments, "node-name", node);
  json_object_object_add (arguments, "size", json_object_new_uint64 (size));
  json_object_object_add (arguments, "read-only",
                          json_object_new_boolean (true));
  return qmp_call (qmp, "blockdev-add", arguments, QMP_TIMEOUT_MS, NULL, why);
}

/* 1: an object at PATH has KEY as VALUE, 0: none has. */
static int
has_object (struct qmp *qmp, const char *path, const char *key,
            const char *value, struct failure *why)
{
  CLEANUP_JSON json_object *objects = NULL;
  size_t i;
  int r;

  r = qmp_call (qmp, "qom-list", arguments_with ("path", path),
                QMP_TIMEOUT_MS, &objects, why);
  if (r < 0)
    return r;
  for (i = 0; i < qmp_json_length (objects); i++)
    if (qmp_json_equals (json_object_array_get_idx (objects, i), key, value))
      return 1;
  return 0;
}

static int
has_iothreads (struct qmp *qmp, struct failure *why)
{
  /* The folder comes with the first object. */
  int r = has_object (qmp, "/", "name", "objects", why);

  return r <= 0 ? r
         : has_object (qmp, "/objects", "type", "child<iothread>", why);
}

int
qmp_access_node_add (struct qmp *qmp, const char *node, const char *filter,
                     struct failure *why)
{
  json_object *arguments;
  int r;

  if (!qmp_has_member (qmp, "blockdev-add", "snapshot-access.file"))
    return failure_set (why, FAILURE_QMP_UNSUPPORTED, ENOTSUP, "this QEMU has "
                        "no snapshot-access nodes");
  r = has_iothreads (qmp, why);
  if (r < 0)
    return r;
  if (r > 0)
    return failure_set (why, FAILURE_QMP_UNSUPPORTED, ENOTSUP, "a node cannot "
                        "be put above it while QEMU has iothreads");
  arguments = arguments_with ("driver", "snapshot-access");
  set_string (arguments, "node-name", node);
  set_string (arguments, "file", filter);
  return qmp_call (qmp, "blockdev-add", arguments, QMP_TIMEOUT_MS, NULL, why);
}

static bool
nodes_have (json_object *nodes, const char *node)
{
  size_t i, n = qmp_json_length (nodes);

  for (i = 0; i < n; i++)
    if (qmp_json_equals (json_object_array_get_idx (nodes, i), "node-name",
                         node))
      return true;
  return false;
}

int
qmp_node_exists (struct qmp *qmp, const char *node, struct failure *why)
{
  CLEANUP_JSON json_object *nodes = NULL;
  int r = qmp_query_named_nodes (qmp, &nodes, why);

  return r < 0 ? r : nodes_have (nodes, node);
}

int
qmp_node_remove (struct qmp *qmp, const char *node, struct failure *why)
{
  struct failure refusal = { .error = 0 };
  int r;

  r = qmp_call (qmp, "blockdev-del", arguments_with ("node-name", node),
                QMP_TIMEOUT_MS, NULL, &refusal);
  if (r == 0
      || (r == -EREMOTEIO && qmp_node_exists (qmp, node, NULL) == 0))
    return 0;
  return failure_set (why, refusal.class, -r, "%s", refusal.text);
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
    if (qmp_call (qmp, "blockdev-del", arguments_with ("node-name", name),
                  QMP_TIMEOUT_MS, NULL, NULL) < 0)
      continue;
  }
  return r;
}

/* Who has the server can only be told by what is served. */
static int
server_busy (struct qmp *qmp, struct failure *why)
{
  CLEANUP_JSON json_object *exports = NULL;
  const char *id = NULL, *node = NULL;
  size_t i;

  if (qmp_call (qmp, "query-block-exports", NULL, QMP_TIMEOUT_MS, &exports,
                why) < 0)
    exports = NULL;
  for (i = 0; i < qmp_json_length (exports); i++) {
    json_object *export = json_object_array_get_idx (exports, i);

    if (!qmp_json_equals (export, "type", "nbd"))
      continue;
    id = qmp_json_string (export, "id");
    node = qmp_json_string (export, "node-name");
    if (id != NULL && qmp_name_is_ours (id))
      return failure_set (why, FAILURE_BUSY, EBUSY, "QEMU's NBD server, of "
                          "which there is one, is in use by another backup "
                          "that reads node %s through it, begun under another "
                          "name or by another daemon: commit or abort that "
                          "one first (QMP socket %s)",
                          node == NULL ? "?" : node, qmp_path (qmp));
  }
  return failure_set (why, FAILURE_BUSY, EBUSY, "QEMU's NBD server, of which "
                      "there is one, is in use already (by libvirt, another "
                      "backup, or a person)%s%s: end that use, or send QEMU "
                      "the command nbd-server-stop (QMP socket %s)",
                      id == NULL ? "" : "; it serves export ",
                      id == NULL ? "" : id, qmp_path (qmp));
}

int
qmp_nbd_server_start (struct qmp *qmp, const char *socket, struct failure *why)
{
  json_object *arguments = json_object_new_object ();
  json_object *address = arguments_with ("type", "unix");
  struct failure refusal = { .error = 0 };
  int r;

  json_object_object_add (address, "data", arguments_with ("path", socket));
  json_object_object_add (arguments, "addr", address);
  r = qmp_call (qmp, "nbd-server-start", arguments, QMP_TIMEOUT_MS, NULL,
                &refusal);
  if (r == 0)
    return 0;
  /* QEMU has no query for it: its words are all there is. */
  if (r == -EREMOTEIO && strstr (refusal.text, "already running") != NULL)
    return server_busy (qmp, why);
  return failure_set (why, refusal.class, -r, "%s", refusal.text);
}

int
qmp_nbd_server_stop (struct qmp *qmp, struct failure *why)
{
  struct failure refusal = { .error = 0 };
  int r;

  r = qmp_call (qmp, "nbd-server-stop", NULL, QMP_TIMEOUT_MS, NULL, &refusal);
  if (r == 0
      || (r == -EREMOTEIO && strstr (refusal.text, "not running") != NULL))
    return 0;
  return failure_set (why, refusal.class, -r, "%s", refusal.text);
}

int
qmp_export_add (struct qmp *qmp, const char *id, const char *node,
                const char *name, const char *bitmap_node, const char *bitmap,
                struct failure *why)
{
  json_object *arguments = arguments_with ("type", "nbd"), *bitmaps, *one;

  set_string (arguments, "id", id);
  set_string (arguments, "node-name", node);
  set_string (arguments, "name", name);
  json_object_object_add (arguments, "writable",
                          json_object_new_boolean (false));
  if (bitmap != NULL) {
    bitmaps = json_object_new_array ();
    one = arguments_with ("node", bitmap_node);
    set_string (one, "name", bitmap);
    json_object_array_add (bitmaps, one);
    json_object_object_add (arguments, "bitmaps", bitmaps);
  }
  return qmp_call (qmp, "block-export-add", arguments, QMP_TIMEOUT_MS, NULL,
                   why);
}

/* 1: there is such an export, 0: there is none. */
static int
export_exists (struct qmp *qmp, const char *id, int64_t deadline_ms,
               struct failure *why)
{
  CLEANUP_JSON json_object *exports = NULL;
  size_t i;
  int r;

  r = qmp_call_until (qmp, "query-block-exports", NULL, deadline_ms, &exports,
                      why);
  if (r < 0)
    return r;
  for (i = 0; i < qmp_json_length (exports); i++)
    if (qmp_json_equals (json_object_array_get_idx (exports, i), "id", id))
      return 1;
  return 0;
}

int
qmp_export_remove (struct qmp *qmp, const char *id, int timeout_ms,
                   struct failure *why)
{
  int64_t deadline_ms = now_ms () + timeout_ms, step_ms;
  json_object *arguments;
  bool asked = false;
  int r;

  for (;;) {
    r = export_exists (qmp, id, deadline_ms, why);
    if (r <= 0)
      return r;
    if (ms_left (deadline_ms) == 0)
      return failure_set (why, FAILURE_TIMEOUT, ETIMEDOUT, "QEMU has not let "
                          "go of export %s within %.1f s (QMP socket %s)", id,
                          timeout_ms / 1000.0, qmp_path (qmp));
    if (!asked) {
      arguments = arguments_with ("id", id);
      set_string (arguments, "mode", "hard");
      /* A refusal says that it is going or gone: the next look decides. */
      r = qmp_call_until (qmp, "block-export-del", arguments, deadline_ms,
                          NULL, NULL);
      if (r < 0 && r != -EREMOTEIO)
        continue;
      asked = true;
      continue;
    }
    step_ms = now_ms () + POLL_MS;
    r = qmp_wait_event (qmp, step_ms < deadline_ms ? step_ms : deadline_ms);
    if (r == -ENOTCONN)
      return qmp_lost_failure (qmp, why);
  }
}

static int
query_string (struct qmp *qmp, const char *command, const char *key,
              char *text, size_t size, struct failure *why)
{
  CLEANUP_JSON json_object *result = NULL;
  const char *value = NULL;
  int r;

  if (qmp_has_command (qmp, command)) {
    r = qmp_call (qmp, command, NULL, QMP_TIMEOUT_MS, &result, why);
    if (r < 0)
      return r;
    value = qmp_json_string (result, key);
  }
  snprintf (text, size, "%s", value == NULL ? "" : value);
  return 0;
}

int
qmp_run_state (struct qmp *qmp, char *state, size_t size, struct failure *why)
{
  return query_string (qmp, "query-status", "status", state, size, why);
}

int
qmp_uuid (struct qmp *qmp, char *uuid, size_t size, struct failure *why)
{
  int r = query_string (qmp, "query-uuid", "UUID", uuid, size, why);

  /* QEMU's way to say that it was given none. */
  if (r == 0 && strspn (uuid, "0-") == strlen (uuid) && size > 0)
    uuid[0] = '\0';
  return r;
}

bool
qmp_bitmaps_migrated (struct qmp *qmp)
{
  CLEANUP_JSON json_object *state = NULL, *capabilities = NULL;
  bool asked_for = false;

  if (qmp_call (qmp, "query-migrate", NULL, QMP_TIMEOUT_MS, &state, NULL) < 0
      || qmp_call (qmp, "query-migrate-capabilities", NULL, QMP_TIMEOUT_MS,
                   &capabilities, NULL) < 0)
    return false;
  for (size_t i = 0; i < qmp_json_length (capabilities); i++) {
    json_object *one = json_object_array_get_idx (capabilities, i);

    if (qmp_json_equals (one, "capability", "dirty-bitmaps"))
      asked_for = qmp_json_bool (one, "state");
  }
  return asked_for && qmp_json_equals (state, "status", "completed");
}
