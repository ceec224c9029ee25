/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* checkpoint-create and -create-as: from options, from XML, and redefined. */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <glib.h>

#include "catalog-diskspec.h"
#include "catalog-document.h"
#include "checkpoint.h"
#include "domain-chain.h"
#include "domain-disks.h"
#include "json-members.h"
#include "qmp-peer.h"
#include "requests.h"
#include "requests-show.h"

/* --- the disks ------------------------------------------------------ */

/* *NAME (owned), which may be the path of a source, by the disk's own. */
static int
resolve (const struct domain *domain, const struct qmp_disks *disks,
         char **name, struct failure *why)
{
  const struct qmp_disk *live;
  int r;

  if ((*name)[0] != '/')
    return 0;
  r = domain_disks_find (domain, disks, *name, &live, why);
  if (r < 0)
    return r;
  g_free (*name);
  *name = g_strdup (live->name);
  return 0;
}

/* The disks of WISH that get a bitmap, and those of LIST, as N choices.  Free
 * them with domain_choices_free, on failure too. */
static int
choose (struct domain *domain, const struct checkpoint *wish,
        json_object *list, struct disk_choice **choices, size_t *n,
        struct failure *why)
{
  struct qmp_disks disks = { 0 };
  size_t i;
  int r;

  *choices = domain_choices_parse (list, n);
  *choices = g_renew (struct disk_choice, *choices, *n + wish->n_disks + 1);
  for (i = 0; i < wish->n_disks; i++)
    if (!wish->disks[i].left_out)
      (*choices)[(*n)++] = (struct disk_choice) {
        .name = g_strdup (wish->disks[i].name) };
  if (wish->has_disks && *n == 0)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "domaincheckpoint/disks: no disk is selected for the "
                        "checkpoint");
  r = domain_disks_query (domain, &disks, why);
  for (i = 0; r == 0 && i < *n; i++)
    r = resolve (domain, &disks, (char **) &(*choices)[i].name, why);
  qmp_disks_clear (&disks);
  return r;
}

/* --- making one ----------------------------------------------------- */

static int
choose_agent (const struct domain *domain,
              const struct arguments_checkpoint_create *given,
              const char **agent, struct failure *why)
{
  if (!given->quiesce)
    return 0;
  *agent = given->agent != NULL ? given->agent
                                : domain_registration_agent (domain->registration);
  if (*agent == NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "the domain %s has no guest agent to quiesce it by: "
                        "name its socket with --agent",
                        domain->registration->name);
  return 0;
}

static void
show_consistency (json_object *reply,
                  const struct checkpoint_consistency *consistency)
{
  json_add_known (reply, "consistency",
             consistency->quiesced ? "quiesced" : "crash-consistent");
  json_add_known (reply, "consistency-reason", consistency->reason);
  json_object_object_add (reply, "quiesced-ms",
                          json_object_new_double (consistency->ms));
}

static int
create (struct domain *domain, const struct checkpoint *wish,
        const struct arguments_checkpoint_create *given,
        json_object **result, struct failure *why)
{
  g_autofree char *name =
    wish->name != NULL ? g_strdup (wish->name)
    : g_strdup_printf ("%" PRId64, g_get_real_time () / G_USEC_PER_SEC);
  struct checkpoint_consistency consistency = { .quiesced = false };
  struct checkpoint_create_options options = {
    .name = name, .description = wish->description,
    .consumer = given->consumer,
    .consistency = &consistency
  };
  struct disk_choice *disks = NULL;
  struct checkpoint_domain where;
  int r = choose_agent (domain, given, &options.agent, why);

  if (r == 0)
    r = domain_chain_open (domain, why);
  if (r < 0)
    return r;
  r = choose (domain, wish, given->disks.array, &disks, &options.n_disks, why);
  if (r == 0)
    r = domain_chain_get (domain, &where, why);
  if (r == 0) {
    options.disks = disks;
    r = checkpoint_create (&where, &options, why);
    domain_chain_clear (&where);
  }
  domain_choices_free (disks, options.n_disks);
  if (r < 0)
    return r;
  *result = requests_show_checkpoint (catalog_find (domain->catalog, name));
  if (options.agent != NULL)
    show_consistency (*result, &consistency);
  return 0;
}

/* --- making one known ----------------------------------------------- */

/* A checkpoint belongs to one virtual machine. */
static int
check_uuid (struct domain *domain, struct checkpoint *c, struct failure *why)
{
  char uuid[64];
  int r;

  if (domain->qmp == NULL)
    return 0;
  r = qmp_uuid (domain->qmp, uuid, sizeof uuid, why);
  if (r == 0 && c->domain_uuid != NULL &&
      g_ascii_strcasecmp (uuid, c->domain_uuid) != 0)
    r = failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                     "domaincheckpoint/domain/uuid is '%.64s', but the UUID "
                     "of domain %s is %s", c->domain_uuid,
                     domain->registration->name, uuid);
  g_free (c->domain_uuid);
  c->domain_uuid = g_strdup (uuid);
  return r;
}

/* Disks that are gone keep their names. */
static int
redefine_disks (struct domain *domain, struct checkpoint *c,
                struct failure *why)
{
  struct qmp_disks disks = { 0 };
  int r = domain->qmp == NULL ? 0 : domain_disks_query (domain, &disks, why);

  for (size_t i = 0; r == 0 && i < c->n_disks; i++)
    r = resolve (domain, &disks, &c->disks[i].name, why);
  qmp_disks_clear (&disks);
  return r;
}

/* CONSUMER: NULL: as C says. */
static int
redefine_as (struct domain *domain, struct checkpoint *c,
             const char *consumer, bool validate, json_object **result,
             struct failure *why)
{
  struct checkpoint_domain where;
  int r = check_uuid (domain, c, why);

  if (consumer != NULL) {
    g_free (c->consumer);
    c->consumer = g_strdup (consumer);
  }
  if (r == 0)
    r = redefine_disks (domain, c, why);
  if (r == 0)
    r = domain_chain_get (domain, &where, why);
  if (r == 0) {
    r = checkpoint_redefine (&where, c, validate, why);
    domain_chain_clear (&where);
  }
  if (r == 0)
    *result = requests_show_checkpoint (catalog_find (domain->catalog,
                                                      c->name));
  return r;
}

static int
redefine (struct domain *domain,
          const struct arguments_checkpoint_create *given,
          json_object **result, struct failure *why)
{
  bool validate = given->redefine_validate;
  struct checkpoint *c = NULL;
  int r = catalog_document_parse (CATALOG_DOCUMENT_KNOWN,
                                  given->checkpoint_xml, &c, why);

  if (r < 0)
    return r;
  r = validate ? domain_chain_open (domain, why)
               : domain_chain_open_catalog (domain, why);
  if (r == 0)
    r = redefine_as (domain, c, given->consumer, validate, result, why);
  catalog_checkpoint_destroy (c);
  return r;
}

/* --- requests ------------------------------------------------------- */

static int
check_options (const struct arguments_checkpoint_create *given,
               struct failure *why)
{
  const char *in_xml = given->checkpoint != NULL ? "checkpoint"
                       : given->description != NULL ? "description"
                       : given->disks.array != NULL ? "disks" : NULL;

  if (given->checkpoint_xml != NULL && in_xml != NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "checkpoint-xml and %s exclude each other: the XML "
                        "says it", in_xml);
  if (given->redefine && given->quiesce)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "quiesce and redefine exclude each other: a "
                        "redefinition makes no point in time");
  if (given->redefine && given->checkpoint_xml == NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "redefine needs checkpoint-xml, the XML of the "
                        "checkpoint");
  if (given->redefine_validate && !given->redefine)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "redefine-validate needs redefine");
  return 0;
}

int
requests_checkpoint_create (struct domain *domain,
                            const struct arguments_checkpoint_create *given,
                            json_object **result, struct failure *why)
{
  struct checkpoint *wish = NULL;
  int r = check_options (given, why);

  if (r == 0)
    r = catalog_document_check_description (given->description, why);
  if (r == 0 && given->redefine)
    return redefine (domain, given, result, why);
  if (r == 0 && given->checkpoint_xml != NULL)
    r = catalog_document_parse (CATALOG_DOCUMENT_WISH, given->checkpoint_xml,
                                &wish, why);
  if (r < 0)
    return r;
  if (wish == NULL) {
    wish = catalog_checkpoint_create ();
    wish->name = g_strdup (given->checkpoint);
    wish->description = g_strdup (given->description);
  }
  r = create (domain, wish, given, result, why);
  catalog_checkpoint_destroy (wish);
  return r;
}

int
requests_checkpoint_create_as (
  struct domain *domain, const struct arguments_checkpoint_create_as *given,
  json_object **result, struct failure *why)
{
  const struct arguments_checkpoint_create options = {
    .consumer = given->consumer, .quiesce = given->quiesce,
    .agent = given->agent
  };
  struct checkpoint *wish = catalog_checkpoint_create ();
  size_t i;
  int r = catalog_document_check_description (given->description, why);

  wish->name = g_strdup (given->checkpoint);
  wish->description = g_strdup (given->description);
  for (i = 0; r == 0 && i < given->diskspecs.n; i++)
    r = catalog_diskspec_add (wish, control_list_at (&given->diskspecs, i),
                              why);
  if (r == 0 && given->print_xml)
    *result = requests_show_xml (
      catalog_document_format (CATALOG_DOCUMENT_WISH, wish, NULL));
  else if (r == 0)
    r = create (domain, wish, &options, result, why);
  catalog_checkpoint_destroy (wish);
  return r;
}
