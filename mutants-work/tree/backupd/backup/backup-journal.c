/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An undo needs names and folders, no state of steps: recovery undoes all steps,
 * whichever ran.  Only whether the freeze has been must be told, since the
 * checkpoint's bitmaps hang on it and the QEMU that knew may be gone.  All else
 * (backup-record.c) is for who goes on with a backup that is READY.  A journal
 * of any older version is read. */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup-journal.h"
#include "backup-record.h"
#include "file.h"
#include "json-members.h"

#define JOURNAL_VERSION 3

/* By enum backup_phase. */
static const char *const phases[] = {
  "begin", "ready", "broken", "end", "committed"
};

static json_object *
journal_disk (const struct backup_disk *disk)
{
  json_object *o = json_with ("name", disk->name);

  json_add_string (o, "node", disk->node);
  json_add_string (o, "qdev", disk->qdev);
  backup_record_write_disk (disk, o);
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
  json_add_i64 (o, "version", JOURNAL_VERSION);
  json_add_string (o, "domain", backup->options.domain);
  json_add_string (o, "client-socket", backup->paths.client_socket);
  json_add_string (o, "runtime", backup->paths.private_folder);
  json_add_string (o, "maps", backup->paths.maps_folder);
  json_add_string (o, "scratch", backup->paths.scratch_folder);
  json_add_string (o, "qemu", backup->vm.boot_id);
  json_add_string (o, "tag", backup->tag);
  json_object_object_add (o, "frozen", backup->freeze.known == FREEZE_MAYBE
                          ? json_object_new_string ("maybe")
                          : json_object_new_boolean (backup->freeze.known ==
                                                     FREEZE_DONE));
  json_add_known (o, "checkpoint", backup->options.checkpoint);
  json_add_string (o, "phase", phases[backup->phase]);
  backup_record_write (backup, o);
  json_object_object_add (o, "disks", disks);
  text = json_object_to_json_string_ext (o, JSON_C_TO_STRING_PRETTY);
  r = file_replace (backup->paths.journal, text, strlen (text));
  if (r < 0)
    return failure_set (why, FAILURE_STORAGE, -r, "cannot write the journal "
                        "%s: %s", backup->paths.journal, g_strerror (-r));
  return 0;
}

int
backup_journal_write_phase (struct backup *backup, enum backup_phase phase,
                            struct failure *why)
{
  if (backup->phase == phase)
    return 0;
  backup->phase = phase;
  return backup_journal_write (backup, why);
}

int
backup_journal_remove (const struct backup *backup, struct failure *why)
{
  int r = unlink (backup->paths.journal) < 0 && errno != ENOENT ? -errno : 0;

  if (r < 0)
    failure_set (why, FAILURE_STORAGE, -r, "cannot remove the journal %s: %s",
                 backup->paths.journal, g_strerror (-r));
  return r;
}

static bool
journal_parse_disks (json_object *disks, struct backup *backup)
{
  for (size_t i = 0; i < json_object_array_length (disks); i++) {
    json_object *o = json_object_array_get_idx (disks, i);
    const char *name = json_get_string (o, "name");
    const char *node = json_get_string (o, "node");
    const char *qdev = json_get_string (o, "qdev");
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
  const char *runtime = json_get_string (o, "runtime");
  const char *maps = json_get_string (o, "maps");
  const char *scratch = json_get_string (o, "scratch");

  if (runtime != NULL)
    where.private_folder = runtime;
  if (maps != NULL)
    where.maps_folder = maps;
  if (scratch != NULL)
    where.scratch_folder = scratch;
  return where;
}

static enum backup_frozen
journal_parse_freeze (json_object *o)
{
  json_object *frozen;

  if (!json_object_object_get_ex (o, "frozen", &frozen))
    return FREEZE_DONE;
  if (json_object_is_type (frozen, json_type_string))
    return FREEZE_MAYBE;
  return json_object_get_boolean (frozen) ? FREEZE_DONE : FREEZE_NOT;
}

/* Of what a backup that was read points to. */
struct owner {
  json_object *document;
  struct control_arguments *given;      /* NULL: not known */
};

static void
owner_destroy (void *data)
{
  struct owner *owner = data;

  control_arguments_free (owner->given);
  json_object_put (owner->document);
  g_free (owner);
}

/* NULL where they are not there, or are of a version that takes others. */
static struct control_arguments *
journal_arguments (json_object *o)
{
  const struct control_command *begin = control_command_find ("backup-begin");
  json_object *arguments = json_get_object (o, "arguments");
  struct control_arguments *given = NULL;
  struct failure why = { .error = 0 };

  return arguments == NULL ||
         control_arguments_decode (begin, arguments, &given, &why) < 0 ? NULL
         : given;
}

/* What the journal O, which they hold, says of them.  An older daemon had but
 * one socket; a journal of the first version has the agent itself. */
static struct backup_options
journal_options (json_object *o)
{
  struct owner *owner = g_new0 (struct owner, 1);

  owner->document = json_object_get (o);
  owner->given = journal_arguments (o);
  return (struct backup_options) {
    .given = (const void *) owner->given,
    .domain = json_get_string (o, "domain"),
    .checkpoint = json_get_string (o, "checkpoint"),
    .client_socket = json_get_string (o, "client-socket"),
    .agent = json_get_string (o, "agent"),
    .quiesce = json_get_string (o, "agent") != NULL,
    .owner = owner, .destroy_owner = owner_destroy
  };
}

/* An older journal does not say. */
static enum backup_phase
journal_parse_phase (json_object *o)
{
  for (size_t i = 0; i < G_N_ELEMENTS (phases); i++)
    if (json_has_string (o, "phase", phases[i]))
      return (enum backup_phase) i;
  return BACKUP_PHASE_BEGIN;
}

/* A journal of the first version has no tag, and does not say whether QEMU was
 * frozen: it may have been. */
static struct backup *
journal_parse (json_object *o, const struct backup_paths *paths)
{
  const char *qemu = json_get_string (o, "qemu");
  const char *tag = json_get_string (o, "tag");
  const struct backup_paths where = journal_paths (o, paths);
  struct backup_options options;
  json_object *disks;
  struct backup *backup;

  if (json_get_string (o, "domain") == NULL || qemu == NULL ||
      (tag != NULL && !qmp_tag_is_valid (tag)) ||
      !json_object_object_get_ex (o, "disks", &disks) ||
      !json_object_is_type (disks, json_type_array))
    return NULL;
  options = journal_options (o);
  backup = backup_model_create (&options, &where, tag == NULL ? "" : tag);
  g_free (backup->vm.boot_id);
  backup->vm.boot_id = g_strdup (qemu);
  backup->freeze.known = journal_parse_freeze (o);
  backup->freeze.noted = backup->freeze.known;
  backup->recovered = true;
  backup->phase = journal_parse_phase (o);
  if (journal_parse_disks (disks, backup)) {
    backup->whole = backup_record_read (backup, o);
    return backup;
  }
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
