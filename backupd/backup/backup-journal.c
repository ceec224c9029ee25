/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup-journal.h"
#include "full-io.h"
#include "json-members.h"
#include "log.h"

#define JOURNAL_VERSION 2

static json_object *
journal_disk (const struct backup_disk *disk)
{
  json_object *o = json_object_new_object ();

  json_object_object_add (o, "name", json_object_new_string (disk->name));
  json_object_object_add (o, "node", json_object_new_string (disk->node));
  json_object_object_add (o, "qdev", json_object_new_string (disk->qdev));
  return o;
}

int
backup_journal_write (const struct backup *backup, struct failure *why)
{
  CLEANUP_JSON json_object *o = json_object_new_object ();
  json_object *disks = json_object_new_array ();
  struct backup_disk *disk;
  const char *text;
  int r;

  FOR_EACH_DISK (backup, disk)
    json_object_array_add (disks, journal_disk (disk));
  json_object_object_add (o, "version", json_object_new_int (JOURNAL_VERSION));
  json_object_object_add (o, "domain",
                          json_object_new_string (backup->domain));
  json_object_object_add (o, "client-socket",
                          json_object_new_string (backup->client_socket));
  json_object_object_add (o, "runtime",
                          json_object_new_string (backup->private_folder));
  json_object_object_add (o, "maps",
                          json_object_new_string (backup->maps_folder));
  json_object_object_add (o, "scratch",
                          json_object_new_string (backup->scratch_folder));
  json_object_object_add (o, "qemu",
                          json_object_new_string (backup->boot_id));
  json_object_object_add (o, "tag", json_object_new_string (backup->tag));
  json_object_object_add (o, "frozen", backup->freeze == FREEZE_MAYBE
                          ? json_object_new_string ("maybe")
                          : json_object_new_boolean (backup->freeze ==
                                                     FREEZE_DONE));
  if (backup->checkpoint != NULL)
    json_object_object_add (o, "checkpoint",
                            json_object_new_string (backup->checkpoint));
  json_object_object_add (o, "disks", disks);
  text = json_object_to_json_string_ext (o, JSON_C_TO_STRING_PRETTY);
  r = file_replace (backup->journal, text, strlen (text));
  if (r < 0)
    return failure_set (why, FAILURE_STORAGE, -r, "cannot write the journal "
                        "%s: %s", backup->journal, g_strerror (-r));
  return 0;
}

int
backup_journal_remove (const struct backup *backup, struct failure *why)
{
  int r = unlink (backup->journal) < 0 && errno != ENOENT ? -errno : 0;

  if (r < 0)
    failure_set (why, FAILURE_STORAGE, -r, "cannot remove the journal %s: %s",
                 backup->journal, g_strerror (-r));
  return r;
}

static const char *
text_member (json_object *o, const char *name)
{
  json_object *member;

  if (!json_object_object_get_ex (o, name, &member) ||
      !json_object_is_type (member, json_type_string))
    return NULL;
  return json_object_get_string (member);
}

static bool
journal_parse_disks (json_object *disks, struct backup *backup)
{
  for (size_t i = 0; i < json_object_array_length (disks); i++) {
    json_object *o = json_object_array_get_idx (disks, i);
    const char *name = text_member (o, "name");
    const char *node = text_member (o, "node");
    const char *qdev = text_member (o, "qdev");
    struct backup_disk *disk;

    if (name == NULL || node == NULL)
      return false;
    disk = backup_model_add_disk (backup, name, node);
    g_free (disk->qdev);
    disk->qdev = g_strdup (qdev == NULL ? "" : qdev);
  }
  return true;
}

/* This daemon's own folders may be others by now: the sink is where it was. */
static struct backup_paths
journal_paths (json_object *o, const struct backup_paths *paths)
{
  struct backup_paths where = *paths;
  const char *runtime = text_member (o, "runtime");
  const char *maps = text_member (o, "maps");
  const char *scratch = text_member (o, "scratch");

  if (runtime != NULL)
    where.private_folder = runtime;
  if (maps != NULL)
    where.maps_folder = maps;
  if (scratch != NULL)
    where.scratch_folder = scratch;
  return where;
}

static enum backup_freeze
journal_parse_freeze (json_object *o)
{
  json_object *frozen;

  if (!json_object_object_get_ex (o, "frozen", &frozen))
    return FREEZE_DONE;
  if (json_object_is_type (frozen, json_type_string))
    return FREEZE_MAYBE;
  return json_object_get_boolean (frozen) ? FREEZE_DONE : FREEZE_NOT;
}

/* A journal of the first version has no tag, and does not say whether QEMU was
 * frozen: it may have been. */
static struct backup *
journal_parse (json_object *o, const struct backup_paths *paths)
{
  const char *domain = text_member (o, "domain");
  const char *qemu = text_member (o, "qemu"), *tag = text_member (o, "tag");
  const struct backup_paths where = journal_paths (o, paths);
  json_object *disks;
  struct backup *backup;

  if (domain == NULL || qemu == NULL ||
      (tag != NULL && !qmp_tag_is_valid (tag)) ||
      !json_object_object_get_ex (o, "disks", &disks) ||
      !json_object_is_type (disks, json_type_array))
    return NULL;
  backup = backup_model_create (&where, domain, tag == NULL ? "" : tag);
  g_free (backup->boot_id);
  backup->boot_id = g_strdup (qemu);
  backup->freeze = journal_parse_freeze (o);
  backup->noted = backup->freeze;
  backup->checkpoint = g_strdup (text_member (o, "checkpoint"));
  backup->agent = g_strdup (text_member (o, "agent"));
  backup->recovered = true;
  /* An older daemon had but one. */
  if (text_member (o, "client-socket") != NULL) {
    g_free (backup->client_socket);
    backup->client_socket = g_strdup (text_member (o, "client-socket"));
  }
  if (journal_parse_disks (disks, backup))
    return backup;
  backup_model_destroy (backup);
  return NULL;
}

int
backup_journal_read (const struct backup_paths *paths, struct backup **ret,
                     struct failure *why)
{
  CLEANUP_JSON json_object *o = NULL;
  struct backup *backup;

  file_replace_tidy (paths->journal);
  if (access (paths->journal, F_OK) < 0 && errno == ENOENT) {
    *ret = NULL;
    return 0;
  }
  o = json_object_from_file (paths->journal);
  backup = o == NULL ? NULL : journal_parse (o, paths);
  if (backup == NULL)
    return failure_set (why, FAILURE_STORAGE, EINVAL, "the journal %s cannot "
                        "be read: see that no backup runs on the domain, "
                        "remove what is left of it by hand, then remove the "
                        "file", paths->journal);
  *ret = backup;
  return 0;
}
