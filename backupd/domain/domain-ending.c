/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A backup that nobody ends, or that QEMU does not let go of, is ended from here, at
 * ticks of the thread.  Each try may fail for as long as QEMU is mute; the time until
 * the next keeps a hung QEMU from taking all of the thread. */
#include <config.h>

#include <errno.h>

#include <glib.h>

#include "deadline.h"
#include "domain-ending.h"
#include "domain-recovery.h"
#include "json-members.h"
#include "log.h"
#include "patience.h"
#include "stop-clock.h"

/* Until the next try to end a backup that QEMU does not let go of. */
#define EXPIRE_AGAIN_MS patience_ms (10000)

char *
domain_outcome_of (const struct backup *backup, const char *state)
{
  const char *reason = backup_reason (backup);

  if (backup_is_committed (backup))
    return g_strdup ("committed");
  if (reason == NULL)
    return g_strdup (state);
  return g_strdup_printf ("broken: %s", reason);
}

/* STATE asks for it: a limit has run out, a migration comes first, or the begin has failed. */
static void
end_unasked (struct domain *domain, enum backup_state state)
{
  struct failure why = { .error = 0 };
  g_autofree char *outcome =
    g_strconcat (state == BACKUP_EXPIRED ? "expired: " : "",
                 backup_reason (domain->backup), NULL);

  if (now_ms () < domain->expire_again_at)
    return;
  /* Says no while the session is lost, and may find that QEMU is gone. */
  if (domain_connect (domain, &why) < 0 || domain->backup == NULL)
    return;
  if (backup_abort (&domain->backup, &why) < 0)
    log_error ("%s", why.text);
  domain->expire_again_at = domain->backup == NULL ? 0
    : now_ms () + EXPIRE_AGAIN_MS;
  if (domain->backup == NULL)
    domain_set_outcome (domain, outcome);
}

void
domain_backup_stop (struct domain *domain)
{
  bool committed = backup_is_committed (domain->backup);
  struct failure why = { .error = 0 };

  if (domain->leaving && backup_hand_over (domain->backup)) {
    domain->handed_over = true;
    return;
  }
  stop_clock_end_phase ();
  log_info (committed ? "the daemon stops: ending the committed backup of %s"
                      : "the daemon stops: aborting the backup of %s",
            domain_name (domain));
  /* Says whether QEMU is still there, where the session is lost. */
  domain->retry_at = 0;
  domain_look (domain);
  if (domain->backup == NULL)
    return;
  if (backup_abort (&domain->backup, &why) < 0)
    log_error ("%s", why.text);
  if (domain->backup != NULL)
    backup_leave (domain->backup);
  else
    domain_set_outcome (domain, committed ? "committed"
                                : "aborted: the daemon was stopped");
}

int
domain_backup_finish (struct domain *domain, struct failure *why)
{
  struct failure fault = { .error = 0 };

  if (domain->backup == NULL || !backup_is_committed (domain->backup))
    return 0;
  if (domain_connect (domain, &fault) == 0 && domain->backup != NULL &&
      backup_finish (&domain->backup, &fault) == 0)
    domain_set_outcome (domain, "committed");
  domain->expire_again_at = domain->backup == NULL ? 0
    : now_ms () + EXPIRE_AGAIN_MS;
  if (domain->backup == NULL)
    return 0;
  return failure_set (why, FAILURE_BUSY, EBUSY,
                      "the last backup of %s is committed, but QEMU has not "
                      "let go of it (%s); that is tried again every %d s",
                      domain_name (domain), fault.text,
                      EXPIRE_AGAIN_MS / 1000);
}

/* Who holds the backup that runs. */
static int
say_busy (const struct domain *domain, struct failure *why)
{
  CLEANUP_JSON json_object *info = backup_info (domain->backup);
  const char *consumer = json_get_string (info, "consumer");
  g_autoptr (GDateTime) started = g_date_time_new_from_unix_utc (
    (gint64) json_get_u64 (info, "started"));
  g_autofree char *since =
    g_date_time_format (started, "%Y-%m-%d %H:%M:%S UTC");

  return failure_set (why, FAILURE_BUSY, EBUSY,
                      "busy: a backup of %s held by consumer %s is running "
                      "since %s; commit or abort it first",
                      domain_name (domain),
                      consumer == NULL ? "default" : consumer, since);
}

int
domain_backup_none (struct domain *domain, struct failure *why)
{
  int r = domain_backup_finish (domain, why);

  if (domain->backup != NULL && backup_has_failed (domain->backup))
    end_unasked (domain, BACKUP_FAILED);
  if (domain->backup != NULL && backup_has_failed (domain->backup))
    return failure_set (why, FAILURE_BUSY, EBUSY, "the last backup of %s: %s",
                        domain_name (domain), backup_reason (domain->backup));
  return r == 0 && domain->backup != NULL ? say_busy (domain, why) : r;
}

void
domain_backup_watch (struct domain *domain)
{
  enum backup_state state = backup_tick (domain->backup);
  json_object *scratch = backup_scratch_event (domain->backup);
  struct failure why = { .error = 0 };

  if (scratch != NULL)
    domain_emit_data (domain, "BACKUP_SCRATCH", scratch);

  if (state == BACKUP_ENDING) {
    if (now_ms () >= domain->expire_again_at &&
        domain_backup_finish (domain, &why) < 0)
      log_debug ("%s", why.text);
    return;
  }
  if (state != domain->told_state && state != BACKUP_READY)
    domain_emit (domain, state == BACKUP_EXPIRED ? "BACKUP_EXPIRED"
                         : "BACKUP_BROKEN", "reason",
                 backup_reason (domain->backup));
  domain->told_state = state;
  if (state == BACKUP_EXPIRED || state == BACKUP_YIELDS ||
      state == BACKUP_FAILED)
    end_unasked (domain, state);
}
