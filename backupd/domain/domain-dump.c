/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* checkpoint-dumpxml and backup-dumpxml. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include <glib.h>

#include "backup-size.h"
#include "control-commands.h"
#include "domain-checkpoint-show.h"
#include "domain-disks.h"
#include "domain-recovery.h"
#include "domain-show.h"
#include "json-members.h"
#include "xml-backup.h"
#include "xml-checkpoint.h"

/* --- checkpoints ---------------------------------------------------- */

/* What is in the <domain>: where libvirt's document has no place for it. */
static void
dump_own (const struct domain *domain, const struct checkpoint *c,
          struct xml_checkpoint *xml)
{
  xml->domain_name = g_strdup (domain->registration->name);
  xml->domain_uuid =
    c->domain_uuid[0] == '\0' ? NULL : g_strdup (c->domain_uuid);
  xml->state = g_strdup (checkpoint_state_name (c->state));
  xml->consumer = g_strdup (c->consumer);
  xml->boot_id = g_strdup (c->boot_id);
  for (size_t i = 0; i < c->n_disks; i++) {
    struct xml_checkpoint_disk *to = g_ptr_array_index (xml->disks, i);

    to->has_capacity = true;
    to->capacity = c->disks[i].size;
    to->gap_before = c->disks[i].gap_before;
    to->lost = g_strdup (c->disks[i].lost);
  }
}

static void
dump_disks (const struct domain *domain, const struct checkpoint *c,
            struct xml_checkpoint *xml)
{
  const struct xml_domain *known = domain->registration->xml;
  size_t i;

  for (i = 0; i < c->n_disks; i++)
    xml_checkpoint_add_disk (xml, c->disks[i].name)->bitmap_name =
      g_strdup (c->disks[i].bitmap);
  for (i = 0; known != NULL && i < known->disks->len; i++) {
    const struct xml_domain_disk *disk = g_ptr_array_index (known->disks, i);

    if (checkpoint_find_disk (c, disk->target) == NULL)
      xml_checkpoint_add_disk (xml, disk->target)->bitmap = false;
  }
  /* libvirt's schema has no empty <disks>. */
  xml->has_disks = xml->disks->len > 0;
}

static struct xml_checkpoint *
dump_checkpoint (const struct domain *domain, const struct checkpoint *c,
                 bool with_domain)
{
  struct xml_checkpoint *xml = xml_checkpoint_create ();

  xml->name = g_strdup (c->name);
  xml->description = g_strdup (c->description);
  xml->parent = g_strdup (c->parent);
  xml->has_time = true;
  xml->creation_time = c->creation_time;
  dump_disks (domain, c, xml);
  if (with_domain)
    dump_own (domain, c, xml);
  return xml;
}

/* Where the chain cannot tell, the attribute is missing and UNKNOWN says why. */
static int
add_size (struct domain *domain, const struct checkpoint *c,
          const struct qmp_disks *disks, struct xml_checkpoint_disk *disk,
          json_object *unknown, struct failure *why)
{
  const struct qmp_disk *live = checkpoint_disks_find (disks, disk->name);
  const char *reason = "disk-missing";
  json_object *entry;
  int r = 0;

  if (live != NULL)
    r = backup_size_since (domain->qmp, domain->catalog, c, live, &reason,
                           &disk->size, why);
  if (r < 0)
    return r;
  disk->has_size = reason == NULL;
  if (reason == NULL)
    return 0;
  entry = json_object_new_object ();
  show_text (entry, "name", disk->name);
  show_text (entry, "reason", reason);
  json_object_array_add (unknown, entry);
  return 0;
}

static int
add_sizes (struct domain *domain, const struct checkpoint *c,
           struct xml_checkpoint *xml, json_object *unknown,
           struct failure *why)
{
  struct qmp_disks disks = { NULL, 0 };
  int r = domain_connect (domain, why);
  guint i;

  if (r == 0)
    r = domain_disks_query (domain, &disks, why);
  for (i = 0; r == 0 && i < xml->disks->len; i++) {
    struct xml_checkpoint_disk *disk = g_ptr_array_index (xml->disks, i);

    if (disk->bitmap)
      r = add_size (domain, c, &disks, disk, unknown, why);
  }
  qmp_disks_clear (&disks);
  return r;
}

/* Takes TEXT over. */
static json_object *
xml_reply (char *text)
{
  json_object *reply = json_object_new_object ();

  show_text (reply, "xml", text);
  g_free (text);
  return reply;
}

int
domain_request_checkpoint_dumpxml (struct domain *domain,
                                   json_object *arguments,
                                   json_object **result, struct failure *why)
{
  const struct checkpoint *c;
  struct xml_checkpoint *xml;
  CLEANUP_JSON json_object *unknown = json_object_new_array ();
  int r = domain_checkpoint_find (domain, arguments, "checkpoint", &c, why);

  if (r < 0)
    return r;
  xml = dump_checkpoint (domain, c,
                         !control_get_bool (arguments, "no-domain"));
  if (control_get_bool (arguments, "size"))
    r = add_sizes (domain, c, xml, unknown, why);
  if (r == 0) {
    *result = xml_reply (xml_checkpoint_format (xml));
    json_object_object_add (*result, "size-unknown",
                            json_object_get (unknown));
  }
  xml_checkpoint_destroy (xml);
  return r;
}

/* --- backups -------------------------------------------------------- */

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
  to->scratch = g_strdup_printf ("%s/%s.data", domain->paths.backup.scratch_folder, name);
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
  struct qmp_disks disks = { NULL, 0 };
  size_t i;
  int r = domain_disks_query (domain, &disks, why);

  for (i = 0; r == 0 && i < disks.n; i++)
    if (!has_disk (xml, disks.disks[i].name))
      xml_backup_add_disk (xml, disks.disks[i].name)->backup = false;
  qmp_disks_clear (&disks);
  return r;
}

int
domain_request_backup_dumpxml (struct domain *domain, json_object *arguments,
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
    *result = xml_reply (xml_backup_format (xml));
  xml_backup_destroy (xml);
  return r;
}
