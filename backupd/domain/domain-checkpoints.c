/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>

#include <glib.h>

#include "control-commands.h"
#include "domain-chain.h"
#include "domain-checkpoints.h"
#include "domain-show.h"

/* The bitmaps of a checkpoint that nobody knows any more. */
static int
remove_leftover (struct domain *domain, json_object *arguments,
                 json_object **result, struct failure *why)
{
  static const char *const others[] = { "children", "children-only",
                                        "metadata" };
  struct checkpoint_domain where;
  json_object *disks;
  int r;

  for (size_t i = 0; i < G_N_ELEMENTS (others); i++)
    if (control_get_bool (arguments, others[i]))
      return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "bitmaps and %s "
                          "exclude each other", others[i]);
  r = domain_chain_settle (domain, why);
  if (r < 0)
    return r;
  disks = json_object_new_array ();
  where = domain_chain_get (domain);
  r = checkpoint_remove_leftover (
    &where, control_get_string (arguments, "checkpoint"), disks, why);
  domain_chain_clear (&where);
  if (r < 0) {
    json_object_put (disks);
    return r;
  }
  *result = json_object_new_object ();
  show_text (*result, "domain", domain->registration->name);
  json_object_object_add (*result, "deleted", json_object_new_array ());
  json_object_object_add (*result, "bitmaps-of", disks);
  return 0;
}

int
domain_request_checkpoint_delete (struct domain *domain,
                                  json_object *arguments,
                                  json_object **result, struct failure *why)
{
  const struct checkpoint_delete_options options = {
    .name = control_get_string (arguments, "checkpoint"),
    .consumer = control_get_string (arguments, "consumer"),
    .children = control_get_bool (arguments, "children"),
    .children_only = control_get_bool (arguments, "children-only"),
    .metadata = control_get_bool (arguments, "metadata")
  };
  struct checkpoint_domain where;
  json_object *deleted;
  int r;

  if (control_get_bool (arguments, "bitmaps"))
    return remove_leftover (domain, arguments, result, why);
  r = options.metadata ? domain_chain_open_catalog (domain, why)
                       : domain_chain_open (domain, why);
  if (r < 0)
    return r;
  deleted = json_object_new_array ();
  where = domain_chain_get (domain);
  r = checkpoint_delete (&where, &options, deleted, why);
  domain_chain_clear (&where);
  if (r < 0) {
    json_object_put (deleted);
    return r;
  }
  *result = json_object_new_object ();
  show_text (*result, "domain", domain->registration->name);
  json_object_object_add (*result, "deleted", deleted);
  return 0;
}
