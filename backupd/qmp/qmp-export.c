/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QEMU has one NBD server for everybody, and tells neither that it runs nor who has
 * started it. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "deadline.h"
#include "qmp-export.h"
#include "json-members.h"
#include "qmp-names.h"
#include "qmp-session.h"

/* How long an event is waited for before QEMU is asked again. */
#define POLL_MS 100

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
  for (i = 0; i < json_length (exports); i++) {
    json_object *export = json_object_array_get_idx (exports, i);

    if (!json_has_string (export, "type", "nbd"))
      continue;
    id = json_get_string (export, "id");
    node = json_get_string (export, "node-name");
    if (id != NULL && qmp_name_is_ours (id))
      return failure_set (why, FAILURE_BUSY, EBUSY, "QEMU's NBD server, of "
                          "which there is one, is in use by another backup "
                          "that reads node %s through it, begun under another "
                          "name or by another daemon: commit or abort that "
                          "one first (%s)",
                          node == NULL ? "?" : node, qmp_session_transport (qmp)->name);
  }
  return failure_set (why, FAILURE_BUSY, EBUSY, "QEMU's NBD server, of which "
                      "there is one, is in use already (by libvirt, another "
                      "backup, or a person)%s%s: end that use, or send QEMU "
                      "the command nbd-server-stop (%s)",
                      id == NULL ? "" : "; it serves export ",
                      id == NULL ? "" : id, qmp_session_transport (qmp)->name);
}

/* ADDRESS is consumed.  -EREMOTEIO: QEMU does not take such an address, for a reason
 * of its own. */
static int
start_at (struct qmp *qmp, json_object *address, struct failure *why)
{
  json_object *arguments = json_object_new_object ();
  struct failure refusal = { .error = 0 };
  int r;

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

static json_object *
make_address (const char *type, const char *key, const char *value)
{
  json_object *address = json_with ("type", type);

  json_object_object_add (address, "data", json_with (key, value));
  return address;
}

int
qmp_export_server_start (struct qmp *qmp, const char *socket,
                         struct failure *why)
{
  return start_at (qmp, make_address ("unix", "path", socket), why);
}

/* Not every link carries descriptors, and QEMU's guards may take them away on the
 * way: then it says that there is none. */
static int
give (struct qmp *qmp, int fd, const char *name, struct failure *why)
{
  int r;

  if (qmp_session_transport (qmp)->calls->pass_fd == NULL ||
      !qmp_has_command (qmp, "getfd") ||
      !qmp_has_member (qmp, "nbd-server-start", "addr.fd"))
    return -EOPNOTSUPP;
  r = qmp_session_pass (qmp, "getfd", json_with ("fdname", name), fd,
                        now_ms () + QMP_TIMEOUT_MS, why);
  return r == -EREMOTEIO ? -EOPNOTSUPP : r;
}

int
qmp_export_server_start_on (struct qmp *qmp, int fd, const char *name,
                            struct failure *why)
{
  struct failure refusal = { .error = 0 };
  int r = give (qmp, fd, name, &refusal), forgotten;

  if (r == 0) {
    r = start_at (qmp, make_address ("fd", "str", name), &refusal);
    forgotten = r == 0 ? 0 : qmp_export_server_forget (qmp, name, &refusal);
    if (r == -EREMOTEIO && forgotten == 0)
      return -EOPNOTSUPP;
  }
  return r == 0 || r == -EOPNOTSUPP ? r
         : failure_set (why, refusal.class, -r, "%s", refusal.text);
}

int
qmp_export_server_forget (struct qmp *qmp, const char *name,
                          struct failure *why)
{
  struct failure refusal = { .error = 0 };
  int r = qmp_call (qmp, "closefd", json_with ("fdname", name),
                    QMP_TIMEOUT_MS, NULL, &refusal);

  /* It has none of that name. */
  return r == 0 || r == -EREMOTEIO ? 0
         : failure_set (why, refusal.class, -r, "%s", refusal.text);
}

int
qmp_export_server_stop (struct qmp *qmp, struct failure *why)
{
  struct failure refusal = { .error = 0 };
  int r;

  r = qmp_call (qmp, "nbd-server-stop", NULL, QMP_TIMEOUT_MS, NULL, &refusal);
  if (r == 0
      || (r == -EREMOTEIO && strstr (refusal.text, "not running") != NULL))
    return 0;
  return failure_set (why, refusal.class, -r, "%s", refusal.text);
}

bool
qmp_export_bears_iothreads (const struct qmp *qmp)
{
  /* As old as the cure, which itself does not show. */
  return qmp_has_member (qmp, "nbd-server-start", "handshake-max-seconds");
}

static json_object *
make_export (const char *id, const char *node, const char *name,
             bool writable)
{
  json_object *arguments = json_with ("type", "nbd");

  json_add_string (arguments, "id", id);
  json_add_string (arguments, "node-name", node);
  json_add_string (arguments, "name", name);
  json_add_bool (arguments, "writable", writable);
  return arguments;
}

int
qmp_export_add_depth (struct qmp *qmp, const char *id, const char *node,
                      const char *name, struct failure *why)
{
  json_object *arguments = make_export (id, node, name, false);

  json_add_bool (arguments, "allocation-depth", true);
  return qmp_call (qmp, "block-export-add", arguments, QMP_TIMEOUT_MS, NULL,
                   why);
}

int
qmp_export_add_writable (struct qmp *qmp, const char *id, const char *node,
                         const char *name, struct failure *why)
{
  return qmp_call (qmp, "block-export-add",
                   make_export (id, node, name, true), QMP_TIMEOUT_MS, NULL,
                   why);
}

int
qmp_export_add (struct qmp *qmp, const char *id, const char *node,
                const char *name, const char *bitmap_node, const char *bitmap,
                struct failure *why)
{
  json_object *arguments = make_export (id, node, name, false), *bitmaps;
  json_object *one;

  if (bitmap != NULL) {
    bitmaps = json_object_new_array ();
    one = json_with ("node", bitmap_node);
    json_add_string (one, "name", bitmap);
    json_object_array_add (bitmaps, one);
    json_object_object_add (arguments, "bitmaps", bitmaps);
  }
  return qmp_call (qmp, "block-export-add", arguments, QMP_TIMEOUT_MS, NULL,
                   why);
}

/* The first of IDS that QEMU has yet, NULL: none. */
static int
first_left (struct qmp *qmp, const char *const *ids, int64_t deadline_ms,
            json_object **exports, const char **left, struct failure *why)
{
  int r = qmp_session_call (qmp, "query-block-exports", NULL, deadline_ms,
                            exports, why);

  *left = NULL;
  for (size_t i = 0; r == 0 && ids[i] != NULL && *left == NULL; i++)
    if (json_find (*exports, "id", ids[i]) != NULL)
      *left = ids[i];
  return r;
}

/* A refusal says that it is going or gone: the next look decides. */
static int
delete (struct qmp *qmp, const char *id, int64_t deadline_ms)
{
  json_object *arguments = json_with ("id", id);
  int r;

  json_add_string (arguments, "mode", "hard");
  r = qmp_session_call (qmp, "block-export-del", arguments, deadline_ms,
                        NULL, NULL);
  return r == -EREMOTEIO ? 0 : r;
}

int
qmp_export_remove (struct qmp *qmp, const char *const *ids, int timeout_ms,
                   struct failure *why)
{
  int64_t deadline_ms = now_ms () + timeout_ms, step_ms;
  bool asked = false;
  int r;

  for (;;) {
    CLEANUP_JSON json_object *exports = NULL;
    const char *left;

    r = first_left (qmp, ids, deadline_ms, &exports, &left, why);
    if (r < 0 || left == NULL)
      return r;
    if (ms_left (deadline_ms) == 0)
      return failure_set (why, FAILURE_TIMEOUT, ETIMEDOUT, "QEMU has not let "
                          "go of export %s within %.1f s (%s)", left,
                          timeout_ms / 1000.0, qmp_session_transport (qmp)->name);
    if (!asked) {
      asked = true;
      for (size_t i = 0; ids[i] != NULL; i++)
        if (json_find (exports, "id", ids[i]) != NULL &&
            delete (qmp, ids[i], deadline_ms) < 0)
          asked = false;
      continue;
    }
    step_ms = now_ms () + POLL_MS;
    r = qmp_session_wait_event (qmp, step_ms < deadline_ms ? step_ms : deadline_ms);
    if (r == -ENOTCONN)
      return qmp_session_lost (qmp, why);
  }
}
