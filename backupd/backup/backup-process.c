/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the programs of a backup have in common: by their arguments another daemon
 * finds them. */
#include <config.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "backup-pace.h"
#include "backup-process.h"
#include "log.h"

char *
backup_process_fleece (const struct backup *backup)
{
  return g_strdup_printf ("fleece=%s", backup->paths.scratch_folder);
}

/* A sink needs one for each request that QEMU has under way, 16 at most: what waits for
 * a thread nobody sees waiting (B2). */
#define SINK_THREADS 16

#define VIEW_THREADS 4
#define UNPACED_THREADS 8

/* Of each connection.  A view's request already has many reads in flight, so that more
 * threads mostly cost memory, and the gateway's budget counts on as many
 * (gateway-budget.h).  Not paced it shares the disk's queue with the guest's writes
 * as QEMU's export does, of whose requests 16 are under way: with as many, the guest waits
 * as long as there, with half as many it has a multiple of that, and the pull no less. */
static unsigned
view_threads (const struct backup *backup)
{
  return backup_pace_is_on (backup) ? VIEW_THREADS : UNPACED_THREADS;
}

GPtrArray *
backup_process_nbdkit (const struct backup *backup, const char *role)
{
  GPtrArray *a = process_nbd_nbdkit (role, strcmp (role, "view") == 0
                                     ? view_threads (backup) : SINK_THREADS);

  g_ptr_array_add (a, backup_process_mark (backup));
  g_ptr_array_add (a, backup_process_fleece (backup));
  g_ptr_array_add (a, g_strdup_printf ("maps=%s", backup->paths.maps_folder));
  g_ptr_array_add (a, g_strdup ("outlive-parent=yes"));
  if (backup_model_consume (backup))
    g_ptr_array_add (a, g_strdup ("consume=yes"));
  return a;
}

char *
backup_process_mark (const struct backup *backup)
{
  return g_strdup_printf ("backup=%s", backup->tag);
}

char *
backup_process_record (const struct backup *backup, const char *role)
{
  return g_strdup_printf ("%s/%s.process", backup->paths.private_folder, role);
}

char **
backup_process_marks (const struct backup *backup, const char *role)
{
  char **marks = g_new0 (char *, 3);

  if (strcmp (role, "gateway") == 0) {
    marks[0] = g_strdup (backup->tag);
    marks[1] = g_strdup (backup->serving.routes);
  } else {
    marks[0] = backup_process_mark (backup);
    marks[1] = g_strdup_printf ("role=%s", role);
  }
  return marks;
}

int
backup_process_start (const struct backup *backup,
                      struct process_child_spec spec, GPtrArray *arguments,
                      struct process_child **child, struct failure *why)
{
  g_autofree char *record = backup_process_record (backup, spec.role);
  g_auto (GStrv) marks = backup_process_marks (backup, spec.role);
  g_auto (GStrv) variables = process_nbd_variables ();

  g_ptr_array_add (arguments, NULL);
  spec.argv = (char **) arguments->pdata;
  if (strcmp (spec.role, "gateway") != 0)
    spec.variables = variables;
  spec.record = record;
  if (backup->adopting)
    return process_child_adopt (&spec, (const char *const *) marks, child,
                                why);
  return process_child_start (&spec, child, why);
}

void
backup_process_stop (struct process_child **child, const char *socket)
{
  process_child_stop (*child);
  *child = NULL;
  if (unlink (socket) < 0 && errno != ENOENT)
    log_warning ("cannot remove the socket %s: %s", socket,
                 g_strerror (errno));
}
