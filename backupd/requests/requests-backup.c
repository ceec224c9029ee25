/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The backup verbs, but for what backup-begin reads (requests-begin.h).  What
 * runs and how the last one ended, backup-list and backup-info tell without
 * the domain's thread, which may be busy with just that backup. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include <glib.h>

#include "domain-chain.h"
#include "domain-disks.h"
#include "domain-ending.h"
#include "domain-folders.h"
#include "domain-history.h"
#include "domain-recovery.h"
#include "json-members.h"
#include "requests.h"
#include "requests-begin.h"
#include "requests-show.h"
#include "restore.h"
#include "xml-backup.h"

/* --- begin and end -------------------------------------------------- */

static int
begin_backup (struct domain *domain,
              const struct arguments_backup_begin *given, struct failure *why)
{
  struct backup_options options;
  int r = domain_chain_open (domain, why);

  if (r == 0)
    r = domain_folders_backup (&domain->paths, domain->qmp, why);
  if (r == 0)
    r = requests_begin_read (domain, given, &options, why);
  if (r == 0)
    r = backup_begin (&options, &domain->paths.backup, domain->qmp,
                      domain->catalog, &domain->backup, why);
  return r;
}

int
requests_backup_begin (struct domain *domain,
                       const struct arguments_backup_begin *given,
                       json_object **result, struct failure *why)
{
  int r = restore_check_machine (domain_name (domain), why);

  if (r == 0)
    r = domain_backup_none (domain, why);
  if (r < 0)
    return r;
  domain_note_begin (domain, given);
  r = begin_backup (domain, given, why);
  if (r < 0 && domain->backup == NULL)
    domain_note_failure (domain, why);
  if (r < 0)
    return r;
  domain_publish (domain);
  *result = domain_backup (domain);
  json_add_string (*result, "state", "ready");
  domain_note_ready (domain, *result);
  return 0;
}

/* What commit and abort answer. */
static json_object *
ended_reply (struct domain *domain, const char *state)
{
  json_object *info = backup_info (domain->backup);
  json_object *reply = json_with ("domain", domain->registration->name);

  json_add_string (reply, "state", state);
  json_add_known (reply, "checkpoint", json_get_string (info, "checkpoint"));
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
  /* What the history keeps of it. */
  domain_publish (domain);
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

int
requests_backup_commit (struct domain *domain,
                        const struct arguments_backup_commit *given,
                        json_object **result, struct failure *why)
{
  return end_backup (domain, backup_commit, "committed", result, why);
}

int
requests_backup_abort (struct domain *domain,
                       const struct arguments_backup_abort *given,
                       json_object **result, struct failure *why)
{
  int r = domain_backup_finish (domain, why);

  return r < 0 ? r
         : end_backup (domain, backup_abort, "aborted", result, why);
}

int
requests_backup_keepalive (struct domain *domain,
                           const struct arguments_backup_keepalive *given,
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
  json_add_known (*result, "domain", domain_name (domain));
  for (i = 0; i < G_N_ELEMENTS (keys); i++) {
    value = NULL;
    json_object_object_get_ex (info, keys[i], &value);
    json_object_object_add (*result, keys[i], json_object_get (value));
  }
  json_object_put (info);
  return 0;
}

/* --- what others may know ------------------------------------------- */

/* At once, beside whatever the domain is doing. */
static int
show_history (struct domain_registry *registry, const char *name,
              json_object **result, struct failure *why)
{
  json_object *records = NULL;
  struct domain *domain;
  int r = domain_registry_take (registry, name, &domain, why);

  if (r < 0)
    return r;
  r = domain_history_read (domain->paths.history, &records, why);
  domain_registry_release (registry, domain);
  if (r < 0)
    return r;
  *result = json_with ("domain", name);
  json_object_object_add (*result, "history", records);
  return 0;
}

static void
add_backup (struct domain *domain, void *list)
{
  json_object *backup = domain_backup (domain);

  if (backup != NULL)
    json_object_array_add (list, backup);
}

int
requests_backup_list (struct domain_registry *registry,
                      const struct arguments_backup_list *given,
                      json_object **result, struct failure *why)
{
  if (given->history && given->domain != NULL)
    return show_history (registry, given->domain, result, why);
  if (given->history || given->domain != NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "backup-list takes a domain and --history together, "
                        "or neither");
  *result = requests_show_all (registry, "backups", add_backup);
  return 0;
}

/* A new object with the members of FROM, where it has them. */
static json_object *
pick_members (json_object *from, const char *const *keys, size_t n)
{
  json_object *o = json_object_new_object (), *value;
  size_t i;

  for (i = 0; i < n; i++)
    if (json_object_object_get_ex (from, keys[i], &value))
      json_object_object_add (o, keys[i], json_object_get (value));
  return o;
}

/* Only what --progress asks for. */
static json_object *
progress_of (json_object *info)
{
  static const char *const of_all[] = { "domain", "state", "reason",
                                        "progress" };
  static const char *const of_disk[] = { "name", "export", "size", "mode",
                                         "dirty-bytes", "served", "confirmed",
                                         "left" };
  json_object *reply = pick_members (info, of_all, G_N_ELEMENTS (of_all));
  json_object *from = json_get_array (info, "disks");
  json_object *disks = json_object_new_array ();
  size_t i;

  for (i = 0; i < json_length (from); i++)
    json_object_array_add (
      disks, pick_members (json_object_array_get_idx (from, i), of_disk,
                        G_N_ELEMENTS (of_disk)));
  json_object_object_add (reply, "disks", disks);
  json_object_put (info);
  return reply;
}

int
requests_backup_info (struct domain_registry *registry,
                      const struct arguments_backup_info *given,
                      json_object **result, struct failure *why)
{
  struct domain *domain;
  int r = domain_registry_take (registry, given->domain, &domain, why);

  if (r < 0)
    return r;
  *result = domain_backup (domain);
  if (*result == NULL)
    r = domain_no_backup (domain, why);
  else if (given->progress)
    *result = progress_of (*result);
  domain_registry_release (registry, domain);
  return r;
}

/* --- backup-dumpxml ------------------------------------------------- */

static void
dump_server (json_object *server, struct xml_backup *xml)
{
  if (json_has_string (server, "transport", "unix")) {
    xml->transport = XML_TRANSPORT_UNIX;
    xml->socket = g_strdup (json_get_string (server, "socket"));
    return;
  }
  xml->transport = XML_TRANSPORT_TCP;
  xml->address = g_strdup (json_get_string (server, "address"));
  xml->port = (unsigned) json_get_u64 (server, "port");
}

static void
dump_backup_disk (const struct domain *domain, json_object *disk,
                  struct xml_backup *xml)
{
  static const char prefix[] = "qemu:dirty-bitmap:";
  const char *name = json_get_string (disk, "name");
  const char *base = json_get_string (disk, "incremental");
  const char *context = json_get_string (disk, "context");
  struct xml_backup_disk *to = xml_backup_add_disk (xml, name);

  to->full = base == NULL;
  to->incremental = g_strdup (base);
  to->export_name = g_strdup (json_get_string (disk, "export"));
  if (context != NULL && g_str_has_prefix (context, prefix))
    to->export_bitmap = g_strdup (context + strlen (prefix));
  to->scratch = g_strdup_printf ("%s/%s.data",
                                 domain->paths.backup.scratch_folder, name);
}

static bool
has_disk (const struct xml_backup *xml, const char *name)
{
  guint i;

  for (i = 0; i < xml->disks->len; i++) {
    const struct xml_backup_disk *disk = g_ptr_array_index (xml->disks, i);

    if (g_strcmp0 (disk->name, name) == 0)
      return true;
  }
  return false;
}

/* As libvirt has it, all disks, also those that take no part. */
static int
dump_other_disks (struct domain *domain, struct xml_backup *xml,
                  struct failure *why)
{
  struct qmp_disks disks = { 0 };
  size_t i;
  int r = domain_disks_query (domain, &disks, why);

  for (i = 0; r == 0 && i < disks.n; i++)
    if (!has_disk (xml, disks.disks[i].name))
      xml_backup_add_disk (xml, disks.disks[i].name)->backup = false;
  qmp_disks_clear (&disks);
  return r;
}

int
requests_backup_dumpxml (struct domain *domain,
                         const struct arguments_backup_dumpxml *given,
                         json_object **result, struct failure *why)
{
  CLEANUP_JSON json_object *info = NULL;
  struct xml_backup *xml;
  json_object *disks;
  size_t i;
  int r = 0;

  if (domain->backup != NULL)
    r = domain_connect (domain, why);
  if (r < 0)
    return r;
  if (domain->backup == NULL)
    return failure_set (why, FAILURE_BACKUP_NOT_FOUND, ENOENT,
                        "no backup of %s is running",
                        domain->registration->name);
  info = backup_info (domain->backup);
  xml = xml_backup_create ();
  xml->has_disks = true;
  xml->incremental = g_strdup (json_get_string (info, "incremental"));
  dump_server (json_get_object (info, "server"), xml);
  disks = json_get_array (info, "disks");
  for (i = 0; i < json_length (disks); i++)
    dump_backup_disk (domain, json_object_array_get_idx (disks, i), xml);
  r = dump_other_disks (domain, xml, why);
  if (r == 0)
    *result = requests_show_xml (xml_backup_format (xml));
  xml_backup_destroy (xml);
  return r;
}
