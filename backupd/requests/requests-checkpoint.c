/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The checkpoint verbs, but for those that make one.  Lists are of the catalog
 * alone, and QEMU need not answer for them. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include <glib.h>

#include "backup-size.h"
#include "catalog-document.h"
#include "checkpoint-disks.h"
#include "checkpoint.h"
#include "domain-chain.h"
#include "domain-disks.h"
#include "domain-recovery.h"
#include "json-members.h"
#include "requests.h"
#include "requests-show.h"

static int
find (struct domain *domain, const char *name, const struct checkpoint **c,
      struct failure *why)
{
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

static size_t
count_relatives (const struct catalog *catalog, const struct checkpoint *c,
                 bool all)
{
  size_t i, n = 0;

  for (i = 0; i < catalog_count (catalog); i++) {
    const struct checkpoint *other = catalog_at (catalog, i);

    if (all ? catalog_descends (catalog, other, c) : is_child (other, c))
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
      !(filter->descendants ? catalog_descends (filter->catalog, c, from)
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
check_exclusive (const struct arguments_checkpoint_list *given,
                 struct failure *why)
{
  const struct { const char *one, *other; bool both; } pairs[] = {
    { "tree", "names", given->tree && given->names },
    { "tree", "parent", given->tree && given->parent },
    { "tree", "roots", given->tree && given->roots },
    { "names", "parent", given->names && given->parent },
    { "parent", "roots", given->parent && given->roots },
    { "roots", "from", given->roots && given->from != NULL },
    { "leaves", "no-leaves", given->leaves && given->no_leaves }
  };
  size_t i;

  for (i = 0; i < G_N_ELEMENTS (pairs); i++)
    if (pairs[i].both)
      return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                          "%s and %s exclude each other", pairs[i].one,
                          pairs[i].other);
  if (given->descendants && given->from == NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "descendants needs from: of which checkpoint?");
  return 0;
}

int
requests_checkpoint_list (struct domain *domain,
                          const struct arguments_checkpoint_list *given,
                          json_object **result, struct failure *why)
{
  struct filter filter = {
    .itself = given->tree,
    .descendants = given->tree || given->descendants,
    .roots = given->roots,
    .leaves = given->leaves,
    .no_leaves = given->no_leaves,
    .consumer = given->consumer
  };
  json_object *list;
  size_t i;
  int r = check_exclusive (given, why);

  if (r == 0)
    r = domain_catalog_open (domain, why);
  if (r == 0 && given->from != NULL)
    r = find (domain, given->from, &filter.from, why);
  if (r < 0)
    return r;
  filter.catalog = domain->catalog;
  list = json_object_new_array ();
  for (i = 0; i < catalog_count (domain->catalog); i++)
    if (passes (&filter, catalog_at (domain->catalog, i)))
      json_object_array_add (
        list, requests_show_checkpoint (catalog_at (domain->catalog, i)));
  *result = json_object_new_object ();
  json_object_object_add (*result, "checkpoints", list);
  return 0;
}

/* --- one of them ---------------------------------------------------- */

int
requests_checkpoint_info (struct domain *domain,
                          const struct arguments_checkpoint_info *given,
                          json_object **result, struct failure *why)
{
  const struct checkpoint *c;
  int r = find (domain, given->checkpoint, &c, why);

  if (r < 0)
    return r;
  *result = requests_show_checkpoint (c);
  json_add_string (*result, "domain", domain->registration->name);
  json_add_u64 (*result, "children",
                count_relatives (domain->catalog, c, false));
  json_add_u64 (*result, "descendants",
                count_relatives (domain->catalog, c, true));
  return 0;
}

int
requests_checkpoint_parent (struct domain *domain,
                            const struct arguments_checkpoint_parent *given,
                            json_object **result, struct failure *why)
{
  const struct checkpoint *c;
  int r = find (domain, given->checkpoint, &c, why);

  if (r < 0)
    return r;
  if (c->parent == NULL)
    return failure_set (why, FAILURE_CHECKPOINT_NOT_FOUND, ENOENT,
                        "checkpoint %s of domain %s has no parent", c->name,
                        domain->registration->name);
  *result = json_with ("parent", c->parent);
  return 0;
}

/* --- checkpoint-dumpxml --------------------------------------------- */

/* As libvirt has it, all disks, also those that it does not cover. */
static struct checkpoint *
dump_checkpoint (const struct domain *domain, const struct checkpoint *c)
{
  const struct xml_domain *known = domain_xml (domain);
  struct checkpoint *shown = catalog_checkpoint_copy (c);

  for (guint i = 0; known != NULL && i < known->disks->len; i++) {
    const struct xml_domain_disk *disk = g_ptr_array_index (known->disks, i);

    if (catalog_checkpoint_disk (c, disk->target) == NULL)
      catalog_checkpoint_add_disk (shown, disk->target)->left_out = true;
  }
  return shown;
}

/* Where the chain cannot tell, the attribute is missing; UNKNOWN says why. */
static int
add_size (struct domain *domain, const struct checkpoint *c,
          const struct qmp_disks *disks, struct checkpoint_disk *disk,
          json_object *unknown, struct failure *why)
{
  const struct qmp_disk *live = checkpoint_disks_find (disks, disk->name);
  const char *reason = "disk-missing";
  json_object *entry;
  int r = 0;

  if (live != NULL)
    r = backup_size_since (domain->qmp, domain->catalog, c, live, &reason,
                           &disk->changed, why);
  if (r < 0)
    return r;
  disk->has_changed = reason == NULL;
  if (reason == NULL)
    return 0;
  entry = json_with ("name", disk->name);
  json_add_string (entry, "reason", reason);
  json_object_array_add (unknown, entry);
  return 0;
}

static int
add_sizes (struct domain *domain, const struct checkpoint *c,
           struct checkpoint *shown, json_object *unknown,
           struct failure *why)
{
  struct qmp_disks disks = { 0 };
  int r = domain_connect (domain, why);

  if (r == 0)
    r = domain_disks_query (domain, &disks, why);
  for (size_t i = 0; r == 0 && i < shown->n_disks; i++)
    if (!shown->disks[i].left_out)
      r = add_size (domain, c, &disks, &shown->disks[i], unknown, why);
  qmp_disks_clear (&disks);
  return r;
}

int
requests_checkpoint_dumpxml (struct domain *domain,
                             const struct arguments_checkpoint_dumpxml *given,
                             json_object **result, struct failure *why)
{
  const struct checkpoint *c;
  struct checkpoint *shown;
  CLEANUP_JSON json_object *unknown = json_object_new_array ();
  int r = find (domain, given->checkpoint, &c, why);

  if (r < 0)
    return r;
  shown = dump_checkpoint (domain, c);
  if (given->size)
    r = add_sizes (domain, c, shown, unknown, why);
  if (r == 0) {
    *result = requests_show_xml (catalog_document_format (
      CATALOG_DOCUMENT_KNOWN, shown,
      given->no_domain ? NULL : domain->registration->name));
    json_object_object_add (*result, "size-unknown",
                            json_object_get (unknown));
  }
  catalog_checkpoint_destroy (shown);
  return r;
}

/* --- checkpoint-delete ---------------------------------------------- */

/* The bitmaps of a checkpoint that nobody knows any more. */
static int
remove_leftover (struct domain *domain,
                 const struct arguments_checkpoint_delete *given,
                 json_object **result, struct failure *why)
{
  const char *other = given->children ? "children"
                      : given->children_only ? "children-only"
                      : given->metadata ? "metadata" : NULL;
  struct checkpoint_domain where;
  json_object *disks;
  int r;

  if (other != NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "bitmaps and %s exclude each other", other);
  r = domain_chain_settle (domain, why);
  if (r == 0)
    r = domain_chain_get (domain, &where, why);
  if (r < 0)
    return r;
  disks = json_object_new_array ();
  r = checkpoint_remove_leftover (&where, given->checkpoint, disks, why);
  domain_chain_clear (&where);
  if (r < 0) {
    json_object_put (disks);
    return r;
  }
  *result = json_with ("domain", domain->registration->name);
  json_object_object_add (*result, "deleted", json_object_new_array ());
  json_object_object_add (*result, "bitmaps-of", disks);
  return 0;
}

int
requests_checkpoint_delete (struct domain *domain,
                            const struct arguments_checkpoint_delete *given,
                            json_object **result, struct failure *why)
{
  const struct checkpoint_delete_options options = {
    .name = given->checkpoint,
    .consumer = given->consumer,
    .children = given->children,
    .children_only = given->children_only,
    .metadata = given->metadata
  };
  struct checkpoint_domain where;
  json_object *deleted;
  int r;

  if (given->bitmaps)
    return remove_leftover (domain, given, result, why);
  r = options.metadata ? domain_chain_open_catalog (domain, why)
                       : domain_chain_open (domain, why);
  if (r == 0 && options.metadata)
    where = domain_chain_records (domain);
  else if (r == 0)
    r = domain_chain_get (domain, &where, why);
  if (r < 0)
    return r;
  deleted = json_object_new_array ();
  r = checkpoint_delete (&where, &options, deleted, why);
  domain_chain_clear (&where);
  if (r < 0) {
    json_object_put (deleted);
    return r;
  }
  *result = json_with ("domain", domain->registration->name);
  json_object_object_add (*result, "deleted", deleted);
  return 0;
}
