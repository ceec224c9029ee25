/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <string.h>

#include <glib.h>

#include "control-commands.h"
#include "domain-begin.h"
#include "domain-checkpoint-show.h"
#include "domain-checkpoints.h"
#include "domain-disks.h"
#include "domain-ending.h"
#include "domain-folders.h"
#include "domain-recovery.h"
#include "domain-requests.h"
#include "domain-show.h"
#include "domain-thread.h"

static int
request_domain_info (struct domain *domain, json_object *arguments,
                     json_object **result, struct failure *why)
{
  struct qmp_disks disks = { NULL, 0 };
  json_object *list;
  size_t i;
  int r = domain_connect (domain, why);

  if (r == 0)
    r = domain_disks_query (domain, &disks, why);
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

static int
begin_with (struct domain *domain, json_object *arguments, struct failure *why)
{
  struct backup_options options;
  int r = domain_begin_read (domain, arguments, &options, why);

  return r < 0 ? r : backup_begin (&options, &domain->paths.backup,
                                   domain->qmp, domain->catalog,
                                   &domain->backup, why);
}

static int
request_backup_begin (struct domain *domain, json_object *arguments,
                      json_object **result, struct failure *why)
{
  int r = domain_backup_finish (domain, why);

  if (r < 0)
    return r;
  if (domain->backup != NULL)
    return domain_busy (domain, why);
  r = domain_connect (domain, why);
  if (r == 0)
    r = qmp_check_needed (domain->qmp, why);
  if (r == 0)
    r = domain_catalog_open (domain, why);
  if (r == 0)
    r = domain_folders_backup (&domain->paths, domain->qmp, why);
  if (r == 0)
    r = begin_with (domain, arguments, why);
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

/* A commit that succeeded may have left something to do. */
static void
note_ending (const struct domain *domain, json_object *reply)
{
  json_object *notes = json_object_new_array ();

  json_object_array_add (
    notes, json_object_new_string (backup_reason (domain->backup)));
  json_object_object_add (reply, "notes", notes);
}

static int
end_backup (struct domain *domain,
            int (*end) (struct backup **, struct failure *),
            const char *state, json_object **result, struct failure *why)
{
  g_autofree char *outcome = NULL;
  json_object *reply;
  int r;

  /* May find that QEMU has exited. */
  domain_look (domain);
  if (domain->backup == NULL)
    return domain_no_backup (domain, why);
  r = domain_connect (domain, why);
  if (r < 0)
    return r;
  if (domain->backup == NULL)
    return domain_no_backup (domain, why);
  reply = ended_reply (domain, state);
  outcome = domain_outcome_of (domain->backup, state);
  r = end (&domain->backup, why);
  if (domain->backup == NULL)
    domain_set_outcome (domain, outcome);
  else if (r == 0)
    note_ending (domain, reply);
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
  int r = domain_backup_finish (domain, why);

  return r < 0 ? r
         : end_backup (domain, backup_abort, "aborted", result, why);
}

static int
request_backup_keepalive (struct domain *domain, json_object *arguments,
                          json_object **result, struct failure *why)
{
  static const char *const keys[] = { "ttl-left", "idle-left" };
  json_object *info, *value;
  size_t i;

  if (domain->backup == NULL)
    return domain_no_backup (domain, why);
  backup_keepalive (domain->backup);
  info = backup_info (domain->backup);
  *result = json_object_new_object ();
  show_text (*result, "domain", domain_name (domain));
  for (i = 0; i < G_N_ELEMENTS (keys); i++) {
    value = NULL;
    json_object_object_get_ex (info, keys[i], &value);
    json_object_object_add (*result, keys[i], json_object_get (value));
  }
  json_object_put (info);
  return 0;
}

/* --- what needs no thread -------------------------------------------- */

static int
call_domain_add (struct domain_registry *registry, json_object *arguments,
                 json_object **result, struct failure *why)
{
  struct domain_registration *registration = NULL;
  int r = domain_registration_from_json (arguments, &registration, why);

  if (r == 0)
    r = domain_registry_add (registry, registration, why);
  if (r == 0)
    *result = json_object_new_object ();
  return r;
}

static void
add_summary (struct domain *domain, void *list)
{
  json_object_array_add (list, domain_summary (domain));
}

static void
add_backup (struct domain *domain, void *list)
{
  json_object *backup = domain_backup (domain);

  if (backup != NULL)
    json_object_array_add (list, backup);
}

static json_object *
list_domains (struct domain_registry *registry, const char *key,
              void (*add) (struct domain *domain, void *list))
{
  json_object *list = json_object_new_array ();
  json_object *result = json_object_new_object ();

  domain_registry_each (registry, add, list);
  json_object_object_add (result, key, list);
  return result;
}

static int
call_domain_list (struct domain_registry *registry, json_object *arguments,
                  json_object **result, struct failure *why)
{
  *result = list_domains (registry, "domains", add_summary);
  return 0;
}

static int
call_backup_list (struct domain_registry *registry, json_object *arguments,
                  json_object **result, struct failure *why)
{
  *result = list_domains (registry, "backups", add_backup);
  return 0;
}

static int
call_backup_info (struct domain_registry *registry, json_object *arguments,
                  json_object **result, struct failure *why)
{
  struct domain *domain;
  int r = domain_registry_take (
    registry, control_get_string (arguments, "domain"), &domain, why);

  if (r < 0)
    return r;
  *result = domain_backup (domain);
  if (*result == NULL)
    r = domain_no_backup (domain, why);
  domain_registry_release (registry, domain);
  return r;
}

/* --- the table ------------------------------------------------------ */

struct request {
  const char *verb;
  enum domain_doing doing;
  int (*run) (struct domain *domain, json_object *arguments,
              json_object **result, struct failure *why);
};

static const struct request requests[] = {
  { "domain-info", DOMAIN_QUICK, request_domain_info },
  { "domain-remove", DOMAIN_QUICK, domain_request_remove },
  { "backup-begin", DOMAIN_BEGINNING, request_backup_begin },
  { "backup-commit", DOMAIN_ENDING, request_backup_commit },
  { "backup-abort", DOMAIN_ENDING, request_backup_abort },
  { "checkpoint-create", DOMAIN_QUICK, domain_request_checkpoint_create },
  { "checkpoint-create-as", DOMAIN_QUICK,
    domain_request_checkpoint_create_as },
  { "checkpoint-delete", DOMAIN_QUICK, domain_request_checkpoint_delete },
  { "backup-keepalive", DOMAIN_QUICK, request_backup_keepalive },
  { "backup-dumpxml", DOMAIN_QUICK, domain_request_backup_dumpxml },
  { "checkpoint-list", DOMAIN_QUICK, domain_request_checkpoint_list },
  { "checkpoint-info", DOMAIN_QUICK, domain_request_checkpoint_info },
  { "checkpoint-parent", DOMAIN_QUICK, domain_request_checkpoint_parent },
  { "checkpoint-dumpxml", DOMAIN_QUICK, domain_request_checkpoint_dumpxml }
};

static const struct {
  const char *verb;
  int (*call) (struct domain_registry *registry, json_object *arguments,
               json_object **result, struct failure *why);
} calls[] = {
  { "domain-add", call_domain_add },
  { "domain-list", call_domain_list },
  { "backup-list", call_backup_list },
  { "backup-info", call_backup_info }
};

struct call {
  const struct request *request;
  json_object *arguments, *result;
};

static int
run_in_thread (struct domain *domain, void *opaque, struct failure *why)
{
  struct call *call = opaque;

  return call->request->run (domain, call->arguments, &call->result, why);
}

static int
call_in_domain (struct domain_registry *registry,
                const struct request *request, json_object *arguments,
                json_object **result, struct failure *why)
{
  const char *name = control_get_string (arguments, "domain");
  struct call call = { .request = request, .arguments = arguments };
  struct domain *domain;
  int r;

  if (name == NULL)
    name = control_get_string (arguments, "name");
  r = domain_registry_take (registry, name, &domain, why);
  if (r < 0)
    return r;
  r = domain_run (domain, request->verb, request->doing, run_in_thread, &call,
                  why);
  /* Once only: who comes later is told that it is being closed. */
  if (r == 0 && request->run == domain_request_remove)
    domain_registry_remove (registry, domain);
  domain_registry_release (registry, domain);
  if (r == 0)
    *result = call.result;
  return r;
}

int
domain_request_call (struct domain_registry *registry, const char *verb,
                     json_object *arguments, json_object **result,
                     struct failure *why)
{
  size_t i;

  for (i = 0; i < G_N_ELEMENTS (calls); i++)
    if (strcmp (calls[i].verb, verb) == 0)
      return calls[i].call (registry, arguments, result, why);
  for (i = 0; i < G_N_ELEMENTS (requests); i++)
    if (strcmp (requests[i].verb, verb) == 0)
      return call_in_domain (registry, &requests[i], arguments, result, why);
  return failure_set (why, FAILURE_COMMAND_NOT_FOUND, ENOSYS,
                      "there is no command \"%s\"", verb);
}
