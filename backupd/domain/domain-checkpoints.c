/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <string.h>

#include <glib.h>

#include "backup-plan.h"
#include "control-commands.h"
#include "domain-checkpoints.h"
#include "domain-disks.h"
#include "domain-ending.h"
#include "domain-link.h"
#include "domain-requests.h"
#include "domain-show.h"
#include "log.h"
#include "qmp-peer.h"

struct checkpoint_domain
domain_checkpoint_domain (struct domain *domain)
{
  size_t n, n_targets = 0;
  struct backup_disk_choice *named = domain_disks_named (domain, &n);
  struct backup_disk_choice *targets = NULL;
  struct qmp_disks disks = { NULL, 0 };

  /* QEMU that cannot be asked now fails what follows too. */
  if (domain->qmp != NULL && domain->registration->xml != NULL &&
      qmp_query_disks (domain->qmp, &disks, NULL) == 0)
    targets = domain_disks_targets (domain, &disks, &n_targets);
  qmp_disks_clear (&disks);
  return (struct checkpoint_domain) {
    .name = domain->registration->name,
    .qmp = domain->qmp,
    .catalog = domain->catalog,
    .quiesce_journal = domain->quiesce_journal,
    .boot_id = domain->qmp == NULL ? g_strdup ("")
                                   : qmp_boot_id (domain->qmp),
    .named = { .choices = named, .n = n,
               .targets = targets, .n_targets = n_targets }
  };
}

void
domain_checkpoint_domain_clear (struct checkpoint_domain *where)
{
  g_free ((char *) where->boot_id);
  g_free ((struct backup_disk_choice *) where->named.choices);
  domain_choices_free ((struct backup_disk_choice *) where->named.targets,
                       where->named.n_targets);
}

static int
settle (struct domain *domain, struct failure *why)
{
  struct checkpoint_domain where = domain_checkpoint_domain (domain);
  int r = checkpoint_settle (&where, why);

  domain_checkpoint_domain_clear (&where);
  return r;
}

int
domain_checkpoints_open (struct domain *domain, struct failure *why)
{
  int r = domain_backup_finish (domain, why);

  if (r < 0)
    return r;
  if (domain->backup != NULL)
    return domain_busy (domain, why);
  r = domain_link_open (domain, why);
  if (r == 0)
    r = qmp_check_needed (domain->qmp, why);
  if (r == 0)
    r = domain_catalog_open (domain, why);
  return r;
}

int
domain_checkpoints_prepare (struct domain *domain, struct failure *why)
{
  int r = domain_checkpoints_open (domain, why);

  return r == 0 ? settle (domain, why) : r;
}

void
domain_checkpoints_start (struct domain *domain)
{
  struct failure why = { .error = 0 };
  int r = domain_catalog_open (domain, &why);

  if (r == 0 && checkpoint_is_unsettled (domain->catalog))
    r = domain_checkpoints_prepare (domain, &why);
  if (r < 0)
    log_warning ("%s: checkpoints are looked after by the next command: %s",
                 domain->registration->name, why.text);
}

/* --- requests ------------------------------------------------------------------ */

int
domain_checkpoints_open_metadata (struct domain *domain, struct failure *why)
{
  struct failure fault = { .error = 0 };
  int r = domain_backup_finish (domain, why);

  if (r < 0)
    return r;
  if (domain->backup != NULL)
    return domain_busy (domain, why);
  r = domain_link_open (domain, &fault);
  if (r < 0 && domain->recovery_due)
    return failure_set (why, fault.class, -r, "%s", fault.text);
  return domain_catalog_open (domain, why);
}

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
  r = domain_checkpoints_prepare (domain, why);
  if (r < 0)
    return r;
  disks = json_object_new_array ();
  where = domain_checkpoint_domain (domain);
  r = checkpoint_remove_leftover (
    &where, control_get_string (arguments, "checkpoint"), disks, why);
  domain_checkpoint_domain_clear (&where);
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
  r = options.metadata ? domain_checkpoints_open_metadata (domain, why)
                       : domain_checkpoints_open (domain, why);
  if (r < 0)
    return r;
  deleted = json_object_new_array ();
  where = domain_checkpoint_domain (domain);
  r = checkpoint_delete (&where, &options, deleted, why);
  domain_checkpoint_domain_clear (&where);
  if (r < 0) {
    json_object_put (deleted);
    return r;
  }
  *result = json_object_new_object ();
  show_text (*result, "domain", domain->registration->name);
  json_object_object_add (*result, "deleted", deleted);
  return 0;
}
