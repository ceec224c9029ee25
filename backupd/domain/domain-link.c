/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "deadline.h"
#include "domain-ending.h"
#include "domain-link.h"
#include "full-io.h"
#include "log.h"
#include "process-child.h"
#include "qmp-peer.h"
#include "quiesce-journal.h"

int
domain_catalog_open (struct domain *domain, struct failure *why)
{
  if (domain->catalog != NULL)
    return 0;
  return catalog_open (domain->catalog_folder, &domain->catalog, why);
}

static void
on_event (void *opaque, const char *event, json_object *data)
{
  struct domain *domain = opaque;

  log_debug ("%s: event %s", domain->registration->name, event);
  if (domain->backup != NULL)
    backup_event (domain->backup, event, data);
}

void
domain_link_close (struct domain *domain)
{
  if (domain->qmp != NULL)
    qmp_close (domain->qmp);
  domain->qmp = NULL;
}

/* Is nobody there, as opposed to somebody who does not answer? */
static bool
qemu_is_gone (int error)
{
  return error == -ENOENT || error == -ECONNREFUSED || error == -ENOTDIR;
}

static int
recover_with (struct domain *domain, struct qmp *qmp, struct failure *why)
{
  int r = domain_catalog_open (domain, why);

  if (r == 0)
    r = backup_recover (&domain->paths, qmp, domain->catalog,
                        &domain->revived_sink, why);
  if (r == 0)
    domain->recovery_due = false;
  return r;
}

/* It does not wait for QMP. */
static void
thaw_leftover (struct domain *domain)
{
  struct failure why = { .error = 0 };

  if (!domain_may_be_frozen (domain) || now_ms () < domain->thaw_again_at)
    return;
  if (quiesce_journal_recover (domain->quiesce_journal, &why) < 0)
    log_warning ("%s: %s", domain->registration->name, why.text);
  domain->thaw_again_at = now_ms () + DOMAIN_THAW_AGAIN_MS;
}

/* As far as the kernel tells.  Its monitor's socket may have been made by another
 * process, which then is what the journal has. */
static bool
frozen_qemu_runs (const struct domain *domain)
{
  g_autofree char *qemu = quiesce_journal_qemu (domain->quiesce_journal);

  return qemu != NULL && qmp_boot_is_alive (qemu);
}

bool
domain_may_be_frozen (const struct domain *domain)
{
  return access (domain->quiesce_journal, F_OK) == 0;
}

void
domain_thaw_again (struct domain *domain)
{
  struct failure ignored = { .error = 0 };

  thaw_leftover (domain);
  /* Where QEMU has exited the journal goes with it. */
  if (domain->qmp == NULL && domain_may_be_frozen (domain) &&
      !frozen_qemu_runs (domain) && domain_link_open (domain, &ignored) < 0)
    log_debug ("%s", ignored.text);
}

/* A backup that an earlier daemon left comes first; its sentence says so. */
static int
finish_recovery (struct domain *domain, struct qmp *qmp, struct failure *why)
{
  struct failure fault = { .error = 0 };
  int r;

  if (!domain->recovery_due)
    return 0;
  r = recover_with (domain, qmp, &fault);
  if (r < 0)
    failure_set (why, fault.class, -r,
                 "an interrupted backup of %s could not be undone yet: %s",
                 domain->registration->name, fault.text);
  return r;
}

int
domain_link_open (struct domain *domain, struct failure *why)
{
  const char *path = domain->registration->qmp_path;
  struct failure ignored = { .error = 0 };
  int r;

  if (domain->qmp != NULL)
    domain_link_dispatch (domain);
  if (domain->qmp != NULL && qmp_is_lost (domain->qmp))
    return failure_set (why, FAILURE_QMP, ENOTCONN,
                        "QEMU of domain %s runs but does not answer at %s; "
                        "its backup is kept, try again",
                        domain->registration->name, path);
  if (domain->qmp == NULL) {
    r = qmp_open (path, DOMAIN_OPEN_TIMEOUT_MS, &domain->qmp, why);
    if (r < 0) {
      domain->qmp = NULL;
      if (qemu_is_gone (r) && !frozen_qemu_runs (domain))
        quiesce_journal_remove (domain->quiesce_journal);
      if (qemu_is_gone (r) && finish_recovery (domain, NULL, &ignored) < 0)
        log_warning ("%s", ignored.text);
      return r;
    }
    qmp_set_event_handler (domain->qmp, on_event, domain);
  }
  domain->qmp_used = now_ms ();
  thaw_leftover (domain);
  return finish_recovery (domain, domain->qmp, why);
}

void
domain_keep_sink (struct domain *domain)
{
  if (process_child_status (domain->revived_sink).failed) {
    process_child_stop (domain->revived_sink);
    domain->revived_sink = NULL;
  }
  if (domain->revived_sink == NULL)
    domain->revived_sink = backup_revive_sink (&domain->paths);
}

int
domain_recover (struct domain *domain, struct failure *why)
{
  struct failure fault = { .error = 0 };
  int r;

  /* An earlier daemon may have been killed before there was a journal to read. */
  file_replace_tidy (domain->journal);
  file_replace_tidy (domain->registration_file);
  file_replace_tidy (domain->quiesce_journal);
  thaw_leftover (domain);
  domain->recovery_due = access (domain->journal, F_OK) == 0;
  if (!domain->recovery_due)
    return 0;
  domain_keep_sink (domain);
  r = domain_link_open (domain, &fault);
  if (!domain->recovery_due)
    return 0;
  return failure_set (why, fault.class, r < 0 ? -r : EBUSY,
                      "an interrupted backup of %s is kept until QEMU can be "
                      "asked (%s)",
                      domain->registration->name, fault.text);
}

/* Another session with the QEMU process that runs the backup. */
static int
reconnect (struct domain *domain, struct failure *why)
{
  struct qmp *qmp = NULL;
  int r = qmp_open (domain->registration->qmp_path, DOMAIN_OPEN_TIMEOUT_MS,
                    &qmp, why);

  if (r < 0)
    return r;
  if (!backup_set_qmp (domain->backup, qmp)) {
    qmp_close (qmp);
    return failure_set (why, FAILURE_QMP, ESRCH,
                        "another QEMU process answers at %s",
                        domain->registration->qmp_path);
  }
  qmp_set_event_handler (qmp, on_event, domain);
  domain_link_close (domain);
  domain->qmp = qmp;
  return 0;
}

/* As long as QEMU lives the sink must, because guest writes wait for it: only
 * a QEMU that has exited ends the backup here. */
static void
link_lost (struct domain *domain)
{
  const char *name = domain->registration->name;
  struct failure fault = { .error = 0 };
  bool committed;

  if (domain->backup == NULL) {
    log_debug ("%s: QMP connection lost", name);
    domain_link_close (domain);
    return;
  }
  if (now_ms () < domain->retry_at)
    return;
  if (domain->retry_at == 0)
    log_warning ("%s: QMP connection lost during a backup", name);
  if (reconnect (domain, &fault) == 0) {
    log_info ("%s: QMP connection made again", name);
    domain->retry_at = 0;
    return;
  }
  if (!backup_has_lost_qemu (domain->backup, DOMAIN_EXIT_MS)) {
    if (domain->retry_at == 0)
      log_warning ("%s: QEMU runs but cannot be asked (%s); trying on", name,
                   fault.text);
    domain->retry_at = now_ms () + DOMAIN_RETRY_MS;
    return;
  }
  domain->retry_at = 0;
  committed = backup_is_committed (domain->backup);
  backup_end_without_qemu (&domain->backup, "QEMU has exited");
  domain_link_close (domain);
  domain_set_outcome (domain, committed ? "committed"
                              : "qemu-exited: QEMU has exited");
}

void
domain_link_dispatch (struct domain *domain)
{
  if (domain->qmp == NULL)
    return;
  if (qmp_is_lost (domain->qmp) || qmp_dispatch (domain->qmp) < 0)
    link_lost (domain);
}
