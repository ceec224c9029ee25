/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Actions are what QEMU will read from the moment when they are added: nothing is left
 * to be got wrong when it runs.  Tests that play QEMU have this file's calls replaced. */
#include <config.h>

#include <errno.h>
#include <stdlib.h>

#include "json-members.h"
#include "qmp-transaction.h"

struct qmp_transaction {
  json_object *actions;
};

struct qmp_transaction *
qmp_transaction_create (void)
{
  struct qmp_transaction *t = calloc (1, sizeof *t);

  if (t == NULL)
    return NULL;
  t->actions = json_object_new_array ();
  if (t->actions == NULL) {
    free (t);
    return NULL;
  }
  return t;
}

void
qmp_transaction_destroy (struct qmp_transaction *t)
{
  if (t == NULL)
    return;
  json_object_put (t->actions);
  free (t);
}

bool
qmp_transaction_is_empty (const struct qmp_transaction *t)
{
  return json_object_array_length (t->actions) == 0;
}

/* Adds an action; what is returned is its "data", to be filled. */
static json_object *
add_action (struct qmp_transaction *t, const char *type)
{
  json_object *action = json_with ("type", type);
  json_object *data = json_object_new_object ();

  json_object_object_add (action, "data", data);
  json_object_array_add (t->actions, action);
  return data;
}

static json_object *
add_bitmap_action (struct qmp_transaction *t, const char *type,
                   const char *node, const char *bitmap)
{
  json_object *data = add_action (t, type);

  json_add_string (data, "node", node);
  json_add_string (data, "name", bitmap);
  return data;
}

void
qmp_transaction_bitmap_add (struct qmp_transaction *t, const char *node,
                            const char *bitmap, uint32_t granularity,
                            bool persistent, bool disabled)
{
  json_object *data;

  data = add_bitmap_action (t, "block-dirty-bitmap-add", node, bitmap);
  if (granularity != 0)
    json_add_i64 (data, "granularity", granularity);
  json_add_bool (data, "persistent", persistent);
  json_add_bool (data, "disabled", disabled);
}

void
qmp_transaction_bitmap_remove (struct qmp_transaction *t, const char *node,
                               const char *bitmap)
{
  add_bitmap_action (t, "block-dirty-bitmap-remove", node, bitmap);
}

void
qmp_transaction_bitmap_enable (struct qmp_transaction *t, const char *node,
                               const char *bitmap)
{
  add_bitmap_action (t, "block-dirty-bitmap-enable", node, bitmap);
}

void
qmp_transaction_bitmap_disable (struct qmp_transaction *t, const char *node,
                                const char *bitmap)
{
  add_bitmap_action (t, "block-dirty-bitmap-disable", node, bitmap);
}

static json_object *
make_source (const char *node, const char *bitmap)
{
  json_object *source = json_with ("node", node);

  json_add_string (source, "name", bitmap);
  return source;
}

void
qmp_transaction_bitmap_merge (struct qmp_transaction *t, const char *node,
                              const char *target, const char *source_node,
                              const char *const *sources, size_t n)
{
  json_object *data = add_action (t, "block-dirty-bitmap-merge");
  json_object *bitmaps = json_object_new_array ();
  size_t i;

  json_add_string (data, "node", node);
  json_add_string (data, "target", target);
  for (i = 0; i < n; i++)
    json_object_array_add (bitmaps, source_node == NULL
                           ? json_object_new_string (sources[i])
                           : make_source (source_node, sources[i]));
  json_object_object_add (data, "bitmaps", bitmaps);
}

void
qmp_transaction_fleece (struct qmp_transaction *t, const char *job_id,
                        const char *node, const char *target,
                        const char *filter_node)
{
  json_object *data = add_action (t, "blockdev-backup");

  json_add_string (data, "job-id", job_id);
  json_add_string (data, "device", node);
  json_add_string (data, "target", target);
  json_add_string (data, "sync", "none");
  /* Dismissed by hand: a job that failed by itself must not vanish unseen. */
  json_add_bool (data, "auto-finalize", true);
  json_add_bool (data, "auto-dismiss", false);
  if (filter_node != NULL)
    json_add_string (data, "filter-node-name", filter_node);
}

int
qmp_transaction_run_alone (struct qmp *qmp, struct qmp_transaction *t,
                           int timeout_ms, struct failure *why)
{
  json_object *action = json_object_array_get_idx (t->actions, 0);
  json_object *data = json_object_object_get (action, "data");
  json_object *type = json_object_object_get (action, "type");

  return qmp_call (qmp, json_object_get_string (type), json_object_get (data),
                   timeout_ms, NULL, why);
}

int
qmp_transaction_run (struct qmp *qmp, struct qmp_transaction *t,
                     int timeout_ms, struct failure *why)
{
  json_object *arguments;

  if (qmp_transaction_is_empty (t))
    return 0;
  arguments = json_object_new_object ();
  json_object_object_add (arguments, "actions", json_object_get (t->actions));
  return qmp_call (qmp, "transaction", arguments, timeout_ms, NULL, why);
}
