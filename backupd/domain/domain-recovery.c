/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A daemon that was killed leaves a journal per kind of harm: that of a backup,
 * which only QEMU can undo, and that of a frozen guest, which its agent thaws; so
 * does a freeze that failed half way.  The two are apart, as an agent may answer
 * where a monitor does not, and the guest must not wait for the other.  Until the
 * backup is undone the sink that QEMU's writes may wait for is kept alive; where
 * the kernel says that QEMU has exited there is nothing to ask, and both journals
 * end without it. */
#include <config.h>

#include <errno.h>
#include <unistd.h>

#include <glib.h>

#include "deadline.h"
#include "domain-link.h"
#include "domain-recovery.h"
#include "file.h"
#include "log.h"
#include "patience.h"
#include "process-child.h"
#include "qmp-peer.h"
#include "quiesce-journal.h"
#include "quiesce.h"

/* To undo what an earlier daemon has left, QEMU is asked again this often. */
#define RECOVER_MS patience_ms (10000)
/* Between two tries to thaw a guest by an agent that does not answer. */
#define THAW_AGAIN_MS 10000

/* --- a frozen guest -------------------------------------------------- */

static bool
may_be_frozen (const struct domain *domain)
{
  return access (domain->paths.backup.quiesce_journal, F_OK) == 0;
}

/* Does not need QMP. */
static int
thaw (struct domain *domain, struct failure *why)
{
  int r = quiesce_recover (domain->paths.backup.quiesce_journal, why);

  domain->thaw_again_at = now_ms () + THAW_AGAIN_MS;
  return r;
}

static void
thaw_when_due (struct domain *domain)
{
  struct failure why = { .error = 0 };

  if (may_be_frozen (domain) && now_ms () >= domain->thaw_again_at &&
      thaw (domain, &why) < 0)
    log_warning ("%s: %s", domain_name (domain), why.text);
}

/* As far as the kernel tells.  Its monitor's socket may have been made by another
 * process, which then is what the journal has. */
static bool
frozen_qemu_runs (const struct domain *domain)
{
  const char *journal = domain->paths.backup.quiesce_journal;
  g_autofree char *qemu = quiesce_journal_qemu (journal);

  return qemu != NULL && qmp_boot_is_alive (qemu);
}

/* --- an interrupted backup ------------------------------------------- */

/* The guest is free: what is left is to merge the bitmaps back, which needs what the
 * files tell of them. */
static int
wait_for_catalog (struct domain *domain, const struct failure *fault,
                  struct failure *why)
{
  domain->recovery_waits = true;
  return failure_set (why, fault->class, fault->error,
                      "an interrupted backup of %s has been ended, but its "
                      "checkpoint cannot be merged back: %s; restore that "
                      "file, or move all of %s away and begin with a full "
                      "backup", domain_name (domain), fault->text,
                      domain->paths.catalog);
}

static void
note_end (struct domain *domain, struct backup_end *end)
{
  if (end->outcome != NULL)
    domain_note_end (domain, g_steal_pointer (&end->info),
                     domain->lost_reason != NULL ? domain->lost_reason
                     : end->outcome);
  g_clear_pointer (&domain->lost_reason, g_free);
}

static void
end_clear (struct backup_end *end)
{
  g_free (end->outcome);
  json_object_put (end->info);
}

/* Its sentence says that it comes first. */
static int
finish_recovery (struct domain *domain, struct failure *why)
{
  struct failure fault = { .error = 0 }, unread = { .error = 0 };
  struct backup_end end = { .outcome = NULL };
  bool known;
  int r;

  if (!domain->recovery_due)
    return 0;
  known = domain_catalog_open (domain, &unread) == 0;
  r = known || !domain->recovery_waits
      ? backup_recover (&domain->paths.backup, domain->qmp, domain->catalog,
                        &domain->revived_sink, &end, &fault) : 0;
  if (r == 0 && known)
    note_end (domain, &end);
  end_clear (&end);
  domain_set_undo (domain, r < 0 ? fault.text : known ? NULL : unread.text);
  if (r == 0 && !known)
    return wait_for_catalog (domain, &unread, why);
  if (r < 0)
    return failure_set (why, fault.class, -r,
                        "an interrupted backup of %s could not be undone yet: "
                        "%s", domain_name (domain), fault.text);
  domain->recovery_due = false;
  return 0;
}

/* Where nobody serves the sink that QEMU may wait for, starts one. */
static void
keep_sink (struct domain *domain)
{
  if (process_child_status (domain->revived_sink).failed) {
    process_child_stop (domain->revived_sink);
    domain->revived_sink = NULL;
  }
  if (domain->revived_sink == NULL)
    domain->revived_sink = backup_revive_sink (&domain->paths.backup);
}

/* --- QEMU ------------------------------------------------------------ */

void
domain_look (struct domain *domain)
{
  g_autofree char *outcome = NULL;

  if (domain_link_check (domain) != DOMAIN_GONE || domain->backup == NULL)
    return;
  /* A copy, as the backup may own it. */
  outcome = g_strdup (backup_is_committed (domain->backup) ? "committed"
                      : backup_exit_reason (domain->backup));
  backup_end_without_qemu (&domain->backup, "QEMU has exited");
  domain_link_close (domain);
  domain_set_outcome (domain, outcome);
}

static void
finish_without_qemu (struct domain *domain)
{
  struct failure why = { .error = 0 };

  if (!frozen_qemu_runs (domain))
    quiesce_journal_remove (domain->paths.backup.quiesce_journal);
  if (finish_recovery (domain, &why) < 0)
    log_warning ("%s", why.text);
}

static void
wait_for_qemu (struct domain *domain, const struct failure *fault)
{
  g_autofree char *reason =
    g_strdup_printf ("that waits until QEMU can be asked (%s)", fault->text);

  domain_set_undo (domain, reason);
}

int
domain_connect (struct domain *domain, struct failure *why)
{
  struct failure fault = { .error = 0 };
  enum domain_verdict verdict;

  domain_look (domain);
  verdict = domain_link_open (domain, &fault);
  if (verdict == DOMAIN_GONE)
    finish_without_qemu (domain);
  if (verdict != DOMAIN_ALIVE) {
    if (verdict == DOMAIN_MUTE && domain->recovery_due)
      wait_for_qemu (domain, &fault);
    return failure_set (why, fault.class, fault.error, "%s", fault.text);
  }
  thaw_when_due (domain);
  return finish_recovery (domain, why);
}

/* --- the thread ------------------------------------------------------ */

/* Goes on with a backup that an earlier daemon began; its QEMU is asked afterwards. */
static void
adopt (struct domain *domain)
{
  struct failure why = { .error = 0 };
  struct qmp *none;

  if (!domain_left_something (domain) || domain_catalog_open (domain, &why) < 0 ||
      qmp_open_none (domain_where (domain), &none, &why) < 0)
    return;
  if (backup_adopt (&domain->paths.backup, none, domain->catalog,
                    &domain->backup, &why) < 0) {
    log_error ("the backup of %s cannot go on: %s", domain_name (domain),
               why.text);
    domain->lost_reason = g_strdup_printf ("broken: %s", why.text);
  }
  if (domain->backup == NULL) {
    qmp_close (none);
    return;
  }
  domain->qmp = none;
  /* At once, and not as one that is lost now. */
  domain->retry_at = now_ms ();
  domain_publish (domain);
  domain_tell_adopted (domain);
}

void
domain_recovery_start (struct domain *domain)
{
  struct failure why = { .error = 0 };

  /* An earlier daemon may have been killed before there was a journal to read. */
  file_replace_tidy (domain->paths.backup.journal);
  file_replace_tidy (domain->paths.registration);
  file_replace_tidy (domain->paths.backup.quiesce_journal);
  adopt (domain);
  domain->recovery_due = domain->backup == NULL &&
                         domain_left_something (domain);
  if (domain->recovery_due)
    domain_set_undo (domain, "QEMU is being asked");
  domain_set_looked (domain);
  thaw_when_due (domain);
  if (domain->backup != NULL)
    domain_look (domain);
  if (domain->recovery_due) {
    keep_sink (domain);
    if (domain_connect (domain, &why) < 0 && domain->recovery_due)
      log_warning ("an interrupted backup of %s is kept until QEMU can be "
                   "asked (%s)", domain_name (domain), why.text);
  }
  domain->recover_at = now_ms () + RECOVER_MS;
}

/* QEMU may answer by now, or be gone by now. */
static void
try_connect (struct domain *domain)
{
  struct failure why = { .error = 0 };

  if (domain_connect (domain, &why) < 0)
    log_debug ("%s", why.text);
}

/* Where QEMU has exited the journal of its freeze goes with it. */
static void
forget_exited (struct domain *domain)
{
  if (domain->qmp == NULL && may_be_frozen (domain) &&
      !frozen_qemu_runs (domain))
    try_connect (domain);
}

static bool
may_undo (const struct domain *domain)
{
  return domain->recovery_due && domain->backup == NULL &&
         domain->qmp == NULL;
}

int64_t
domain_recovery_at (const struct domain *domain)
{
  int64_t at = may_undo (domain) ? domain->recover_at : INT64_MAX;

  return may_be_frozen (domain) ? MIN (at, domain->thaw_again_at) : at;
}

void
domain_recovery_tick (struct domain *domain)
{
  if (may_undo (domain) && now_ms () >= domain->recover_at) {
    keep_sink (domain);
    try_connect (domain);
    domain->recover_at = now_ms () + RECOVER_MS;
  }
  if (may_be_frozen (domain) && now_ms () >= domain->thaw_again_at) {
    thaw_when_due (domain);
    forget_exited (domain);
    domain_publish (domain);
  }
}

int
domain_thaw (struct domain *domain, struct failure *why)
{
  struct failure fault = { .error = 0 };

  domain_look (domain);
  if (!may_be_frozen (domain) || thaw (domain, &fault) == 0)
    return 0;
  forget_exited (domain);
  if (!may_be_frozen (domain))
    return 0;
  return failure_set (why, FAILURE_BUSY, EBUSY,
                      "domain %s is kept: %s; then try again, or once the "
                      "virtual machine has ended, or remove %s if you know "
                      "that the guest is not frozen", domain_name (domain),
                      fault.text, domain->paths.backup.quiesce_journal);
}
