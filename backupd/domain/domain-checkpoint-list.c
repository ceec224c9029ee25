/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* checkpoint-list, -info and -parent: the catalog, and nothing of QEMU. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include <glib.h>

#include "control-commands.h"
#include "domain-checkpoint-show.h"
#include "domain-recovery.h"
#include "domain-show.h"

int
domain_checkpoint_find (struct domain *domain, json_object *arguments,
                        const char *key, const struct checkpoint **c,
                        struct failure *why)
{
  const char *name = control_get_string (arguments, key);
  int r = domain_catalog_open (domain, why);

  if (r < 0)
    return r;
  *c = catalog_find (domain->catalog, name);
  if (*c == NULL)
    return failure_set (why, FAILURE_CHECKPOINT_NOT_FOUND, ENOENT,
                        "domain %s has no checkpoint %s",
                        domain->registration->name, name);
  return 0;
}

/* --- relatives ------------------------------------------------------ */

static bool
is_child (const struct checkpoint *c, const struct checkpoint *parent)
{
  return c->parent != NULL && strcmp (c->parent, parent->name) == 0;
}

/* A catalog has no cycles. */
static bool
is_descendant (const struct catalog *catalog, const struct checkpoint *c,
               const struct checkpoint *ancestor)
{
  while (c != NULL && !is_child (c, ancestor))
    c = c->parent == NULL ? NULL : catalog_find (catalog, c->parent);
  return c != NULL;
}

static size_t
count_relatives (const struct catalog *catalog, const struct checkpoint *c,
                 bool all)
{
  size_t i, n = 0;

  for (i = 0; i < catalog_count (catalog); i++) {
    const struct checkpoint *other = catalog_at (catalog, i);

    if (all ? is_descendant (catalog, other, c) : is_child (other, c))
      n++;
  }
  return n;
}

/* --- the list ------------------------------------------------------- */

struct filter {
  const struct catalog *catalog;
  const struct checkpoint *from;        /* NULL: all */
  bool itself, descendants, roots, leaves, no_leaves;
  const char *consumer;                 /* NULL: all */
};

static bool
passes (const struct filter *filter, const struct checkpoint *c)
{
  const struct checkpoint *from = filter->from;
  bool has_children = count_relatives (filter->catalog, c, false) > 0;

  if (from != NULL && !(filter->itself && c == from) &&
      !(filter->descendants ? is_descendant (filter->catalog, c, from)
                            : is_child (c, from)))
    return false;
  if ((filter->roots && c->parent != NULL) ||
      (filter->leaves && has_children) ||
      (filter->no_leaves && !has_children))
    return false;
  return filter->consumer == NULL ||
         strcmp (filter->consumer, c->consumer) == 0;
}

/* As virsh has it. */
static int
check_exclusive (json_object *arguments, struct failure *why)
{
  static const struct { const char *one, *other; } pairs[] = {
    { "tree", "names" }, { "tree", "parent" }, { "tree", "roots" },
    { "names", "parent" }, { "parent", "roots" }, { "roots", "from" },
    { "leaves", "no-leaves" }
  };
  size_t i;

  for (i = 0; i < G_N_ELEMENTS (pairs); i++)
    if (json_object_object_get_ex (arguments, pairs[i].one, NULL) &&
        json_object_object_get_ex (arguments, pairs[i].other, NULL))
      return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                          "%s and %s exclude each other", pairs[i].one,
                          pairs[i].other);
  if (control_get_bool (arguments, "descendants") &&
      !json_object_object_get_ex (arguments, "from", NULL))
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "descendants needs from: of which checkpoint?");
  return 0;
}

int
domain_request_checkpoint_list (struct domain *domain, json_object *arguments,
                                json_object **result, struct failure *why)
{
  bool tree = control_get_bool (arguments, "tree");
  struct filter filter = {
    .itself = tree,
    .descendants = tree || control_get_bool (arguments, "descendants"),
    .roots = control_get_bool (arguments, "roots"),
    .leaves = control_get_bool (arguments, "leaves"),
    .no_leaves = control_get_bool (arguments, "no-leaves"),
    .consumer = control_get_string (arguments, "consumer")
  };
  json_object *list;
  size_t i;
  int r = check_exclusive (arguments, why);

  if (r == 0)
    r = domain_catalog_open (domain, why);
  if (r == 0 && control_get_string (arguments, "from") != NULL)
    r = domain_checkpoint_find (domain, arguments, "from", &filter.from, why);
  if (r < 0)
    return r;
  filter.catalog = domain->catalog;
  list = json_object_new_array ();
  for (i = 0; i < catalog_count (domain->catalog); i++)
    if (passes (&filter, catalog_at (domain->catalog, i)))
      json_object_array_add (
        list, show_checkpoint (catalog_at (domain->catalog, i)));
  *result = json_object_new_object ();
  json_object_object_add (*result, "checkpoints", list);
  return 0;
}

/* --- one of them ---------------------------------------------------- */

int
domain_request_checkpoint_info (struct domain *domain, json_object *arguments,
                                json_object **result, struct failure *why)
{
  const struct checkpoint *c;
  int r = domain_checkpoint_find (domain, arguments, "checkpoint", &c, why);

  if (r < 0)
    return r;
  *result = show_checkpoint (c);
  json_object_object_add (*result, "domain", json_object_new_string (
    domain->registration->name));
  json_object_object_add (*result, "children", json_object_new_uint64 (
    count_relatives (domain->catalog, c, false)));
  json_object_object_add (*result, "descendants", json_object_new_uint64 (
    count_relatives (domain->catalog, c, true)));
  return 0;
}

int
domain_request_checkpoint_parent (struct domain *domain,
                                  json_object *arguments,
                                  json_object **result, struct failure *why)
{
  const struct checkpoint *c;
  int r = domain_checkpoint_find (domain, arguments, "checkpoint", &c, why);

  if (r < 0)
    return r;
  if (c->parent == NULL)
    return failure_set (why, FAILURE_CHECKPOINT_NOT_FOUND, ENOENT,
                        "checkpoint %s of domain %s has no parent", c->name,
                        domain->registration->name);
  *result = json_object_new_object ();
  show_text (*result, "parent", c->parent);
  return 0;
}
