/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The event that a job was created tells its name alone, so QEMU is asked what it is.
 * That may come too late: a job of snapshots stays until its maker dismisses it, which
 * can be at once.  So one that is not there any more counts as one of these, but for
 * those that show that they are not: a block job has another event before it goes, and
 * libvirt gives the jobs by which it makes image files names of its own.
 *
 * Events of before the freeze wait in the session when they are handed out, which is
 * after the begin: they are counted, and left out. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "backup-chain.h"
#include "backup-journal.h"
#include "backup-snapshot.h"
#include "json-members.h"
#include "log.h"
#include "qmp-job.h"

/* blockdev-create of libvirt: create-NODE, its nodes are called libvirt-NUMBER-... */
#define LIBVIRT_CREATES "create-libvirt-"

/* Do internal snapshots change what is read of DISK? */
static bool
minds (const struct backup_disk *disk, const char *type)
{
  /* A raw image has none; QEMU's own view of it suffers only a load. */
  return disk->images->len == 0
         ? type == NULL || strcmp (type, "snapshot-load") == 0
         : backup_chain_has_tables (disk);
}

/* TYPE: NULL, not known. */
static char *
reason_for (const struct backup *backup, const char *id, const char *type)
{
  struct backup_disk *disk;

  FOR_EACH_DISK (backup, disk)
    if (minds (disk, type))
      return type != NULL
        ? g_strdup_printf ("%s was run during the backup: internal snapshots "
                           "change how the image of disk %s is read", type,
                           disk->name)
        : g_strdup_printf ("QEMU's job %.100s was gone before it was known "
                           "what it is: internal snapshots would change how "
                           "the image of disk %s is read", id, disk->name);
  return NULL;
}

static bool
is_ours (const struct backup *backup, const char *id)
{
  struct backup_disk *disk;

  FOR_EACH_DISK (backup, disk)
    if (strcmp (disk->job_id, id) == 0)
      return true;
  return false;
}

static bool
forget (GPtrArray *ids, const char *id)
{
  guint i;

  return g_ptr_array_find_with_equal_func (ids, id, g_str_equal, &i) &&
         g_ptr_array_remove_index (ids, i) != NULL;
}

static bool
is_over (json_object *job)
{
  return json_has_string (job, "status", "concluded") ||
         json_has_string (job, "status", "null");
}

int
backup_snapshot_begin (struct backup *backup, struct failure *why)
{
  CLEANUP_JSON json_object *jobs = NULL;
  int r = qmp_job_list (backup->vm.qmp, &jobs, why);

  if (r < 0)
    return r;
  for (size_t i = 0; i < json_length (jobs); i++) {
    json_object *job = json_object_array_get_idx (jobs, i);
    const char *type = qmp_job_of_snapshot (job);

    if (type == NULL)
      continue;
    if (!is_over (job))
      return failure_set (why, FAILURE_BUSY, EBUSY, "a %s of the virtual "
                          "machine of %s is running: begin when that is over",
                          type, backup->options.domain);
    g_ptr_array_add (backup->snapshots.old,
                     g_strdup (json_get_string (job, "id")));
  }
  backup->snapshots.early = qmp_events_waiting (backup->vm.qmp);
  return 0;
}

/* What is ID?  Where QEMU does not say it stays unknown. */
static char *
ask (struct backup *backup, const char *id)
{
  CLEANUP_JSON json_object *jobs = NULL;
  json_object *job;
  const char *type;

  if (qmp_job_list (backup->vm.qmp, &jobs, NULL) < 0) {
    backup->vm.unheard = true;
    return NULL;
  }
  job = json_find (jobs, "id", id);
  if (job == NULL)
    return NULL;
  type = qmp_job_of_snapshot (job);
  forget (backup->snapshots.unknown, id);
  return type == NULL ? NULL : reason_for (backup, id, type);
}

/* Its name may be used again. */
static void
forget_old (struct backup *backup, const char *id)
{
  struct failure why = { .error = 0 };

  if (forget (backup->snapshots.old, id) &&
      backup_journal_write (backup, &why) < 0)
    log_warning ("%s", why.text);
}

static char *
note_status (struct backup *backup, const char *id, json_object *data)
{
  /* Nor does libvirt want to be disturbed then: see libvirt-hold.h. */
  if (is_ours (backup, id) || g_str_has_prefix (id, LIBVIRT_CREATES))
    return NULL;
  if (json_has_string (data, "status", "created")) {
    forget_old (backup, id);
    g_ptr_array_add (backup->snapshots.unknown, g_strdup (id));
    return ask (backup, id);
  }
  if (!json_has_string (data, "status", "null"))
    return NULL;
  forget_old (backup, id);
  return forget (backup->snapshots.unknown, id)
         ? reason_for (backup, id, NULL) : NULL;
}

char *
backup_snapshot_event (struct backup *backup, const char *event,
                       json_object *data)
{
  const char *id = json_get_string (data, "id");
  const char *device = json_get_string (data, "device");

  if (backup->snapshots.early > 0) {
    backup->snapshots.early--;
    return NULL;
  }
  if (backup->state != BACKUP_READY || backup->vm.qmp == NULL)
    return NULL;
  if (device != NULL && g_str_has_prefix (event, "BLOCK_JOB_"))
    forget (backup->snapshots.unknown, device);
  return id != NULL && strcmp (event, "JOB_STATUS_CHANGE") == 0
         ? note_status (backup, id, data) : NULL;
}

/* Those of which it was not heard how they went. */
static char *
look_at_unknown (struct backup *backup, json_object *jobs)
{
  GPtrArray *unknown = backup->snapshots.unknown;
  char *reason = NULL;

  for (guint i = 0; i < unknown->len && reason == NULL; i++) {
    const char *id = g_ptr_array_index (unknown, i);

    if (json_find (jobs, "id", id) == NULL)
      reason = reason_for (backup, id, NULL);
  }
  g_ptr_array_set_size (unknown, 0);
  return reason;
}

int
backup_snapshot_look (struct backup *backup, char **reason)
{
  CLEANUP_JSON json_object *jobs = NULL;
  int r = qmp_job_list (backup->vm.qmp, &jobs, NULL);

  *reason = NULL;
  if (r < 0)
    return r;
  for (size_t i = 0; i < json_length (jobs) && *reason == NULL; i++) {
    json_object *job = json_object_array_get_idx (jobs, i);
    const char *id = json_get_string (job, "id");
    const char *type = qmp_job_of_snapshot (job);

    if (type != NULL && id != NULL &&
        !g_ptr_array_find_with_equal_func (backup->snapshots.old, id,
                                           g_str_equal, NULL))
      *reason = reason_for (backup, id, type);
  }
  if (*reason == NULL)
    *reason = look_at_unknown (backup, jobs);
  return 0;
}
