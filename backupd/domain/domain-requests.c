/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <string.h>
#include <time.h>

#include <glib.h>

#include "checkpoint-xml.h"
#include "control-commands.h"
#include "domain-checkpoints.h"
#include "domain-ending.h"
#include "domain-folders.h"
#include "domain-link.h"
#include "domain-requests.h"
#include "domain-show.h"

/* --- disks ---------------------------------------------------------- */

/* Gives disks the names that domain-add was told; nodes that are no guest
 * device's are added. */
static int
query_named_disks (struct domain *domain, struct qmp_disks *disks,
                   struct failure *why)
{
  const struct domain_registration *registration = domain->registration;
  size_t i, k;
  int r = qmp_query_disks (domain->qmp, disks, why);

  for (i = 0; r == 0 && i < registration->n_disks; i++) {
    const struct backup_disk_choice *choice = &registration->disks[i];
    struct qmp_disk *grown;

    if (choice->node == NULL)
      continue;
    for (k = 0; k < disks->n; k++)
      if (g_strcmp0 (disks->disks[k].node, choice->node) == 0)
        break;
    if (k < disks->n) {
      free (disks->disks[k].name);
      disks->disks[k].name = strdup (choice->name);
      continue;
    }
    grown = realloc (disks->disks, (disks->n + 1) * sizeof *grown);
    if (grown == NULL)
      return failure_set (why, FAILURE_GENERIC, ENOMEM, "out of memory");
    disks->disks = grown;
    r = qmp_query_node (domain->qmp, choice->node, choice->name,
                        &grown[disks->n], why);
    if (r == 0)
      disks->n++;
  }
  return r;
}

static const struct qmp_disk *
find_disk (const struct qmp_disks *disks, const char *name)
{
  size_t i;

  for (i = 0; i < disks->n; i++)
    if (g_strcmp0 (disks->disks[i].name, name) == 0)
      return &disks->disks[i];
  return NULL;
}

/* "vda, vdb" of what is there, for the sentence about what is not. */
static char *
disk_names (const struct qmp_disks *disks)
{
  GString *names = g_string_new (NULL);
  size_t i;

  for (i = 0; i < disks->n && i < 16; i++)
    g_string_append_printf (names, "%s%s", i > 0 ? ", " : "",
                            disks->disks[i].name);
  if (disks->n == 0)
    g_string_append (names, "none");
  return g_string_free (names, FALSE);
}

int
domain_check_new (struct domain *domain, struct failure *why)
{
  const struct domain_registration *registration = domain->registration;
  struct qmp_disks disks = { NULL, 0 };
  size_t i;
  int r = qmp_open (registration->qmp_path, DOMAIN_OPEN_TIMEOUT_MS,
                    &domain->qmp, why);

  if (r < 0) {
    domain->qmp = NULL;
    return r;
  }
  r = qmp_check_needed (domain->qmp, why);
  if (r == 0)
    r = query_named_disks (domain, &disks, why);
  for (i = 0; r == 0 && i < registration->n_disks; i++)
    if (find_disk (&disks, registration->disks[i].name) == NULL) {
      g_autofree char *names = disk_names (&disks);

      r = failure_set (why, FAILURE_DISK_NOT_FOUND, ENOENT,
                       "QEMU at %s has no disk %s (it has: %s); name a block "
                       "node as NAME=NODE", registration->qmp_path,
                       registration->disks[i].name, names);
    }
  qmp_disks_clear (&disks);
  domain_link_close (domain);
  return r;
}

static int
request_domain_info (struct domain *domain, json_object *arguments,
                     json_object **result, struct failure *why)
{
  struct qmp_disks disks = { NULL, 0 };
  json_object *list;
  size_t i;
  int r = domain_link_open (domain, why);

  if (r == 0)
    r = query_named_disks (domain, &disks, why);
  if (r == 0) {
    *result = domain_summary (domain);
    list = json_object_new_array ();
    for (i = 0; i < disks.n; i++)
      json_object_array_add (list, show_disk (&disks.disks[i]));
    json_object_object_add (*result, "disks", list);
  }
  qmp_disks_clear (&disks);
  return r;
}

/* --- backups -------------------------------------------------------- */

int
domain_busy (struct domain *domain, struct failure *why)
{
  json_object *info = backup_info (domain->backup), *started = NULL;
  const char *consumer = control_get_string (info, "consumer");
  char since[64] = "some time";
  time_t when;
  struct tm tm;
  int r;

  json_object_object_get_ex (info, "started", &started);
  when = (time_t) json_object_get_int64 (started);
  if (gmtime_r (&when, &tm) != NULL)
    strftime (since, sizeof since, "%Y-%m-%d %H:%M:%S UTC", &tm);
  r = failure_set (why, FAILURE_BUSY, EBUSY,
                   "busy: a backup of %s held by consumer %s is running since "
                   "%s; commit or abort it first",
                   domain->registration->name,
                   consumer == NULL ? "default" : consumer, since);
  json_object_put (info);
  return r;
}

/* A disk without a node is looked for among the names of domain-add. */
static void
resolve_nodes (const struct domain *domain, struct backup_disk_choice *disks,
               size_t n)
{
  const struct domain_registration *registration = domain->registration;
  size_t i, k;

  for (i = 0; i < n; i++)
    for (k = 0; disks[i].node == NULL && k < registration->n_disks; k++)
      if (strcmp (disks[i].name, registration->disks[k].name) == 0)
        disks[i].node = g_strdup (registration->disks[k].node);
}

struct backup_disk_choice *
domain_named_nodes (const struct domain *domain, size_t *n)
{
  const struct domain_registration *registration = domain->registration;
  struct backup_disk_choice *named =
    g_new0 (struct backup_disk_choice, registration->n_disks + 1);
  size_t i;

  *n = 0;
  for (i = 0; i < registration->n_disks; i++)
    if (registration->disks[i].node != NULL)
      named[(*n)++] = registration->disks[i];
  return named;
}

/* The strings of the list KEY; borrows them. */
static const char **
string_list (json_object *arguments, const char *key, size_t *n)
{
  json_object *list = NULL;
  const char **strings;
  size_t i;

  json_object_object_get_ex (arguments, key, &list);
  *n = list == NULL ? 0 : json_object_array_length (list);
  strings = g_new0 (const char *, *n + 1);
  for (i = 0; i < *n; i++)
    strings[i] = json_object_get_string (json_object_array_get_idx (list, i));
  return strings;
}

static int
begin_with (struct domain *domain, json_object *arguments, struct failure *why)
{
  const char *consumer = control_get_string (arguments, "consumer");
  const char *agent = control_get_string (arguments, "agent");
  json_object *list = NULL;
  const char **bases;
  size_t n_disks, n_named;
  struct backup_disk_choice *disks;
  struct backup_disk_choice *named = domain_named_nodes (domain, &n_named);
  struct backup_options options = {
    .domain = domain->registration->name,
    .checkpoint = control_get_string (arguments, "checkpoint"),
    .incremental = control_get_string (arguments, "incremental"),
    .consumer = consumer == NULL ? "default" : consumer,
    .strict = control_get_bool (arguments, "strict"),
    .all_bases = control_get_bool (arguments, "all-bases"),
    .tcp = control_get_string (arguments, "tcp"),
    .agent = agent == NULL ? domain->registration->agent_path : agent,
    .quiesce = control_get_bool (arguments, "quiesce"),
    .ttl = control_get_seconds (arguments, "ttl", domain->default_ttl),
    .idle_timeout = control_get_seconds (arguments, "idle-timeout",
                                         domain->default_idle_timeout)
  };
  int r;

  bases = string_list (arguments, "bases", &options.n_bases);
  options.bases = bases;
  json_object_object_get_ex (arguments, "disks", &list);
  disks = domain_choices_parse (list, &n_disks);
  resolve_nodes (domain, disks, n_disks);
  options.disks = disks;
  options.n_disks = n_disks;
  options.named_nodes = named;
  options.n_named_nodes = n_named;
  r = backup_begin (&options, &domain->paths, domain->qmp, domain->catalog,
                    &domain->backup, why);
  domain_choices_free (disks, n_disks);
  g_free (bases);
  g_free (named);
  return r;
}

static int
request_backup_begin (struct domain *domain, json_object *arguments,
                      json_object **result, struct failure *why)
{
  int r;

  if (domain->backup != NULL)
    return domain_busy (domain, why);
  r = domain_link_open (domain, why);
  if (r == 0)
    r = qmp_check_needed (domain->qmp, why);
  if (r == 0)
    r = domain_catalog_open (domain, why);
  if (r == 0)
    r = domain_folders_backup (domain, why);
  if (r == 0)
    r = begin_with (domain, arguments, why);
  if (domain->backup != NULL)
    domain_link_follow (domain);
  if (r < 0)
    return r;
  domain_publish (domain);
  *result = domain_backup (domain);
  json_object_object_add (*result, "state", json_object_new_string ("ready"));
  return 0;
}

/* What commit and abort answer. */
static json_object *
ended_reply (struct domain *domain, const char *state)
{
  json_object *info = backup_info (domain->backup);
  json_object *reply = json_object_new_object ();

  show_text (reply, "domain", domain->registration->name);
  show_text (reply, "state", state);
  show_text (reply, "checkpoint", control_get_string (info, "checkpoint"));
  json_object_put (info);
  return reply;
}

static int
end_backup (struct domain *domain,
            int (*end) (struct backup **, struct failure *),
            const char *state, json_object **result, struct failure *why)
{
  g_autofree char *outcome = NULL;
  json_object *reply;
  int r;

  if (domain->backup == NULL)
    return domain_no_backup (domain, why);
  r = domain_link_open (domain, why);
  if (r < 0)
    return r;
  if (domain->backup == NULL)
    return domain_no_backup (domain, why);
  reply = ended_reply (domain, state);
  outcome = domain_outcome_of (domain->backup, state);
  r = end (&domain->backup, why);
  if (domain->backup == NULL) {
    domain_link_unfollow (domain);
    domain_set_outcome (domain, outcome);
  }
  if (r < 0)
    json_object_put (reply);
  else
    *result = reply;
  return r;
}

static int
request_backup_commit (struct domain *domain, json_object *arguments,
                       json_object **result, struct failure *why)
{
  return end_backup (domain, backup_commit, "committed", result, why);
}

static int
request_backup_abort (struct domain *domain, json_object *arguments,
                      json_object **result, struct failure *why)
{
  return end_backup (domain, backup_abort, "aborted", result, why);
}

/* --- checkpoints ---------------------------------------------------- */

static int
request_checkpoint_list (struct domain *domain, json_object *arguments,
                         json_object **result, struct failure *why)
{
  json_object *list;
  size_t i;
  int r = domain_catalog_open (domain, why);

  if (r < 0)
    return r;
  list = json_object_new_array ();
  for (i = 0; i < catalog_count (domain->catalog); i++)
    json_object_array_add (list,
                           show_checkpoint (catalog_at (domain->catalog, i)));
  *result = json_object_new_object ();
  json_object_object_add (*result, "checkpoints", list);
  return 0;
}

static int
find_checkpoint (struct domain *domain, json_object *arguments,
                 const struct checkpoint **c, struct failure *why)
{
  const char *name = control_get_string (arguments, "checkpoint");
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

static int
request_checkpoint_info (struct domain *domain, json_object *arguments,
                         json_object **result, struct failure *why)
{
  const struct checkpoint *c;
  int r = find_checkpoint (domain, arguments, &c, why);

  if (r == 0)
    *result = show_checkpoint (c);
  return r;
}

static int
request_checkpoint_dumpxml (struct domain *domain, json_object *arguments,
                            json_object **result, struct failure *why)
{
  const struct checkpoint *c;
  CLEANUP_FREE char *text = NULL;
  size_t length;
  int r = find_checkpoint (domain, arguments, &c, why);

  if (r < 0)
    return r;
  r = checkpoint_xml_format (c, &text, &length);
  if (r < 0)
    return failure_set (why, FAILURE_GENERIC, -r,
                        "checkpoint %s cannot be written as XML: %s", c->name,
                        g_strerror (-r));
  *result = json_object_new_object ();
  show_text (*result, "xml", text);
  return 0;
}

/* --- the table ------------------------------------------------------ */

static const struct {
  const char *verb;
  int (*run) (struct domain *domain, json_object *arguments,
              json_object **result, struct failure *why);
} requests[] = {
  { "domain-info", request_domain_info },
  { "domain-remove", domain_request_remove },
  { "backup-begin", request_backup_begin },
  { "backup-commit", request_backup_commit },
  { "backup-abort", request_backup_abort },
  { "checkpoint-create", domain_request_checkpoint_create },
  { "checkpoint-delete", domain_request_checkpoint_delete },
  { "backup-keepalive", domain_request_keepalive },
  { "checkpoint-list", request_checkpoint_list },
  { "checkpoint-info", request_checkpoint_info },
  { "checkpoint-dumpxml", request_checkpoint_dumpxml }
};

int
domain_request_run (struct domain *domain, const char *verb,
                    json_object *arguments, json_object **result,
                    struct failure *why)
{
  size_t i;

  for (i = 0; i < G_N_ELEMENTS (requests); i++)
    if (strcmp (requests[i].verb, verb) == 0)
      return requests[i].run (domain, arguments, result, why);
  return failure_set (why, FAILURE_COMMAND_NOT_FOUND, ENOSYS,
                      "there is no command \"%s\"", verb);
}
