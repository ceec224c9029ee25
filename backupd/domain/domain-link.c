/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A session that breaks tells nothing about the guest: QEMU may have exited, may
 * hang, or may have been given to another client.  Guest writes wait for the sink
 * of a backup as long as QEMU lives, so that only a QEMU that the kernel says has
 * exited is taken for gone; any other silence is borne with. */
#include <config.h>

#include <errno.h>

#include <glib.h>

#include "deadline.h"
#include "domain-libvirt.h"
#include "domain-link.h"
#include "log.h"
#include "restore.h"

/* How long to wait for a QEMU that must be there. */
#define OPEN_TIMEOUT_MS 5000
/* A QEMU that closed its monitor is given this to exit ... */
#define EXIT_MS 1000
/* ... and else asked again this often. */
#define RETRY_MS 2000

static void
on_event (void *opaque, const char *event, json_object *data)
{
  struct domain *domain = opaque;

  log_debug ("%s: event %s", domain_name (domain), event);
  domain->heard = true;
  if (domain->backup != NULL)
    backup_event (domain->backup, event, data);
  if (domain->kept)
    restore_machine_event (domain_name (domain), event);
}

void
domain_link_close (struct domain *domain)
{
  if (domain->qmp != NULL)
    qmp_close (domain->qmp);
  domain->qmp = NULL;
}

static int
connect_to (struct domain *domain, struct qmp **qmp, struct failure *why)
{
  int r = domain_libvirt_is (domain)
          ? domain_libvirt_open (domain, OPEN_TIMEOUT_MS, qmp, why)
          : qmp_open (domain_where (domain), OPEN_TIMEOUT_MS, qmp, why);

  if (r == 0)
    qmp_set_event_handler (*qmp, on_event, domain);
  return r;
}

enum domain_verdict
domain_link_open (struct domain *domain, struct failure *why)
{
  struct qmp *qmp = NULL;
  int r;

  if (domain->qmp != NULL && qmp_is_lost (domain->qmp)) {
    const char *forgotten = domain_libvirt_forgotten (domain);

    if (forgotten != NULL)
      failure_set (why, FAILURE_QMP, ENOTCONN, "%s", forgotten);
    else
      failure_set (why, FAILURE_QMP, ENOTCONN,
                   "QEMU of domain %s runs but does not answer at %s; "
                   "its backup is kept, try again",
                   domain_name (domain), domain_where (domain));
    return DOMAIN_MUTE;
  }
  r = domain->qmp != NULL ? 0 : connect_to (domain, &qmp, why);
  if (r == -ENOENT || r == -ECONNREFUSED || r == -ENOTDIR)
    return DOMAIN_GONE;
  if (r < 0)
    return DOMAIN_MUTE;
  if (qmp != NULL)
    domain->qmp = qmp;
  domain->qmp_used = now_ms ();
  return DOMAIN_ALIVE;
}

/* Another session with the QEMU process that runs the backup. */
static int
reconnect (struct domain *domain, struct failure *why)
{
  struct qmp *qmp = NULL;
  int r = connect_to (domain, &qmp, why);

  if (r < 0)
    return r;
  if (!backup_set_qmp (domain->backup, qmp)) {
    qmp_close (qmp);
    return failure_set (why, FAILURE_QMP, ESRCH,
                        "another QEMU process answers at %s",
                        domain_where (domain));
  }
  domain_link_close (domain);
  domain->qmp = qmp;
  return 0;
}

/* QEMU runs, and R is why there is no session with it. */
static void
note_forgotten (struct domain *domain, int r)
{
  bool forgotten = domain_libvirt_is (domain) &&
                   (r == -ECONNREFUSED || r == -ENOENT);

  if (forgotten && domain_libvirt_forgotten (domain) == NULL) {
    domain_libvirt_note_forgotten (domain, true);
    log_error ("%s", domain_libvirt_forgotten (domain));
  }
  else if (!forgotten)
    domain_libvirt_note_forgotten (domain, false);
}

static enum domain_verdict
judge_lost (struct domain *domain)
{
  const char *name = domain_name (domain);
  struct failure fault = { .error = 0 };
  bool first = domain->retry_at == 0;
  int r;

  if (now_ms () < domain->retry_at)
    return DOMAIN_MUTE;
  if (first)
    log_warning ("%s: QMP connection lost during a backup", name);
  domain->retry_at = 0;
  r = reconnect (domain, &fault);
  if (r == 0) {
    domain_libvirt_note_forgotten (domain, false);
    log_info ("%s: QMP connection made again", name);
    return DOMAIN_ALIVE;
  }
  if (backup_has_lost_qemu (domain->backup, EXIT_MS))
    return DOMAIN_GONE;
  /* One that libvirt has just ended may take its time to exit. */
  note_forgotten (domain, first ? -EAGAIN : r);
  if (first)
    log_warning ("%s: QEMU runs but cannot be asked (%s); trying on", name,
                 fault.text);
  domain->retry_at = now_ms () + RETRY_MS;
  return DOMAIN_MUTE;
}

enum domain_verdict
domain_link_check (struct domain *domain)
{
  if (domain->qmp == NULL)
    return DOMAIN_GONE;
  if (!qmp_is_lost (domain->qmp) && qmp_dispatch (domain->qmp) >= 0)
    return DOMAIN_ALIVE;
  if (domain->backup != NULL)
    return judge_lost (domain);
  log_debug ("%s: QMP connection lost", domain_name (domain));
  domain_link_close (domain);
  if (domain->kept)
    restore_machine_lost (domain_name (domain));
  domain->kept = false;
  return DOMAIN_GONE;
}
