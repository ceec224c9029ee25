/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest that is started amid its restore has no disk, or, where it came by a migration, one that
 * is written under its feet: either way nobody can go on.  Told by the thread that asks its QEMU,
 * which must not wait for one that waits for it. */
#include <config.h>

#include <string.h>

#include "json-members.h"
#include "log.h"
#include "restore-copy.h"
#include "restore-journal.h"
#include "restore-registry.h"
#include "restore-steps.h"
#include "restore-written.h"

static void
note_half (struct restore *restore)
{
  struct restore_image *image;
  uint64_t bytes;

  FOR_EACH_RESTORE_IMAGE (restore, image)
    if (restore_written_bytes (restore->folder, image->disk, &bytes) < 0 ||
        bytes > 0)
      image->half = true;
}

static void
break_off (const char *domain, const char *text)
{
  struct failure why = { .error = 0 };
  struct restore *restore;

  if (!restore_registry_break (domain, text))
    return;
  log_warning ("the restore %s is broken: %s", domain, text);
  /* Who has it sees that it is broken. */
  if (restore_registry_take (domain, "breaking", &restore, &why) < 0)
    return;
  restore_copy_stop (restore, &why);
  restore_serve_stop_gateway (restore, &why);
  note_half (restore);
  if (restore_journal_write (restore, &why) < 0)
    log_error ("%s", why.text);
  restore_registry_release (restore, false, NULL, NULL);
}

void
restore_machine_event (const char *domain, const char *event)
{
  if (strcmp (event, "RESUME") == 0)
    break_off (domain, "its virtual machine was started (cont) before it was "
               "committed");
}

void
restore_machine_lost (const char *domain)
{
  break_off (domain, "the connection to QEMU was lost, or QEMU has ended, "
             "before it was committed");
}
