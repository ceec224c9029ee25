/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One thread per domain, because QMP, the agent and storage may each hang, and one
 * machine's must not hold up another's.  It takes a function at a time, and
 * between them does what nobody asks for: reads events, looks after the backup, tries
 * again what could not be undone, gives the monitor back.  All of that is in files
 * below, which never wait for the mailbox. */
#include <config.h>

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <glib.h>

#include "deadline.h"
#include "domain-chain.h"
#include "domain-ending.h"
#include "domain-link.h"
#include "domain-recovery.h"
#include "domain-thread.h"
#include "log.h"
#include "process-child.h"

/* How long a request waits for a quick one before it says busy. */
#define TURN_MS 3000
/* A QMP socket serves one client at a time: without a backup it is given
 * back after this. */
#define IDLE_MS 3000

/* --- the thread ------------------------------------------------------ */

static void
finish_request (struct domain *domain, struct domain_request *request)
{
  pthread_mutex_lock (&domain->lock);
  domain->request = NULL;
  request->done = true;
  pthread_cond_broadcast (&domain->changed);
  pthread_mutex_unlock (&domain->lock);
}

static void
serve_request (struct domain *domain)
{
  struct domain_request *request;
  uint64_t count;

  if (read (domain->wake_fd, &count, sizeof count) < 0 && errno != EAGAIN)
    log_error ("%s: eventfd: %s", domain_name (domain), g_strerror (errno));
  pthread_mutex_lock (&domain->lock);
  request = domain->stopping ? NULL : domain->request;
  pthread_mutex_unlock (&domain->lock);
  if (request == NULL)
    return;
  request->error = request->function (domain, request->opaque, &request->why);
  domain_publish (domain);
  domain->qmp_used = now_ms ();
  if (request->doing != DOMAIN_QUICK)
    process_child_trim_soon ();
  finish_request (domain, request);
}

static bool
is_stopping (struct domain *domain)
{
  bool stopping;

  pthread_mutex_lock (&domain->lock);
  stopping = domain->stopping;
  pthread_mutex_unlock (&domain->lock);
  return stopping;
}

static int
poll_timeout (const struct domain *domain)
{
  int64_t at = domain_recovery_at (domain);

  if (domain->backup != NULL)
    return MIN (ms_left (domain->tick_at), backup_pace_tick (domain->backup));
  if (domain->qmp != NULL && !domain->kept)
    at = MIN (at, domain->qmp_used + IDLE_MS);
  return at == INT64_MAX ? -1 : ms_left (at);
}

static void
run_once (struct domain *domain)
{
  struct pollfd polled[2] = {
    { .fd = domain->wake_fd, .events = POLLIN },
    { .fd = domain->qmp == NULL || qmp_is_lost (domain->qmp)
            ? -1 : qmp_fd (domain->qmp),
      .events = POLLIN }
  };

  if (poll (polled, 2, poll_timeout (domain)) < 0 && errno != EINTR) {
    log_error ("%s: poll: %s", domain_name (domain), g_strerror (errno));
    return;
  }
  if (polled[1].revents != 0)
    domain_look (domain);
  if (polled[0].revents != 0)
    serve_request (domain);
  if (domain->kept && domain->qmp != NULL && qmp_is_lost (domain->qmp))
    domain_look (domain);
  /* Answers of QEMU come more often than there is something to look at. */
  if (domain->backup != NULL &&
      (polled[0].revents != 0 || domain->heard || now_ms () >= domain->tick_at)) {
    domain->tick_at = now_ms () + BACKUP_TICK_MS;
    domain->heard = false;
    domain_backup_watch (domain);
    /* That may talk to QEMU and find the session lost. */
    if (domain->qmp != NULL && qmp_is_lost (domain->qmp))
      domain_look (domain);
    domain_publish (domain);
  }
  else if (domain->backup == NULL && domain->qmp != NULL && !domain->kept &&
           now_ms () - domain->qmp_used >= IDLE_MS) {
    domain_link_close (domain);
    domain_publish (domain);
  }
  domain_recovery_tick (domain);
}

/* From here on no request is taken; one that waits is told. */
static void
refuse_requests (struct domain *domain)
{
  struct domain_request *request;

  pthread_mutex_lock (&domain->lock);
  domain->ended = true;
  request = domain->request;
  if (request != NULL) {
    request->error =
      domain->removed
      ? failure_set (&request->why, FAILURE_BUSY, ESHUTDOWN,
                     "domain %s is being removed", domain_name (domain))
      : failure_set (&request->why, FAILURE_BUSY, ESHUTDOWN,
                     "the daemon is stopping");
    request->done = true;
    domain->request = NULL;
  }
  pthread_cond_broadcast (&domain->changed);
  pthread_mutex_unlock (&domain->lock);
}

static void *
domain_main (void *opaque)
{
  struct domain *domain = opaque;

  log_set_domain (domain_name (domain));
  domain_read_history (domain);
  domain_recovery_start (domain);
  if (!domain->recovery_due && domain->backup == NULL)
    domain_chain_start (domain);
  domain_publish (domain);
  while (!domain->removed && !is_stopping (domain))
    run_once (domain);
  refuse_requests (domain);
  if (domain->backup != NULL)
    domain_backup_stop (domain);
  domain_publish (domain);
  domain_link_close (domain);
  /* Guest writes may need it; the next daemon ends it. */
  process_child_leave (domain->revived_sink);
  catalog_close (domain->catalog);
  domain->catalog = NULL;
  return NULL;
}

static void
wake (struct domain *domain)
{
  uint64_t one = 1;

  if (write (domain->wake_fd, &one, sizeof one) < 0 && errno != EAGAIN)
    log_error ("%s: eventfd: %s", domain_name (domain), g_strerror (errno));
}

int
domain_start (struct domain *domain, struct failure *why)
{
  int r;

  domain->wake_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  r = domain->wake_fd < 0 ? errno
      : pthread_create (&domain->thread, NULL, domain_main, domain);
  if (r != 0)
    return failure_set (why, FAILURE_GENERIC, r,
                        "cannot start a thread for domain %s: %s",
                        domain_name (domain), g_strerror (r));
  domain->started = true;
  return 0;
}

void
domain_stop (struct domain *domain, bool leave)
{
  pthread_mutex_lock (&domain->lock);
  domain->stopping = true;
  domain->leaving = leave;
  pthread_mutex_unlock (&domain->lock);
  wake (domain);
}

void
domain_join (struct domain *domain)
{
  if (domain->started)
    pthread_join (domain->thread, NULL);
  domain->started = false;
}

/* --- callers -------------------------------------------------------- */

/* Waits until no request is there.  Locked. */
static int
take_turn_locked (struct domain *domain, struct failure *why)
{
  int64_t deadline = now_ms () + TURN_MS;
  struct timespec until = { .tv_sec = deadline / 1000,
                            .tv_nsec = deadline % 1000 * 1000000 };

  while (domain->request != NULL && !domain->ended)
    if (domain->request->doing != DOMAIN_QUICK ||
        pthread_cond_timedwait (&domain->changed, &domain->lock,
                                &until) == ETIMEDOUT)
      return failure_set (why, FAILURE_BUSY, EBUSY,
                          "domain %s is busy: %s is running",
                          domain_name (domain), domain->request == NULL
                          ? "another command" : domain->request->name);
  if (domain->ended || domain->stopping)
    return failure_set (why, FAILURE_BUSY, ESHUTDOWN,
                        "domain %s is being closed", domain_name (domain));
  return 0;
}

/* What QEMU said, or did not, names no domain by itself. */
static int
pass_failure (const struct domain *domain,
              const struct domain_request *request, struct failure *why)
{
  const struct failure *fault = &request->why;
  const char *name = domain_name (domain);
  bool of_qemu = fault->class == FAILURE_QMP ||
                 fault->class == FAILURE_QMP_UNSUPPORTED ||
                 fault->class == FAILURE_TIMEOUT;

  if (of_qemu && strstr (fault->text, name) == NULL)
    return failure_set (why, fault->class, -request->error,
                        "domain %s: %s", name, fault->text);
  return failure_set (why, fault->class, -request->error, "%s", fault->text);
}

int
domain_run (struct domain *domain, const char *name, enum domain_doing doing,
            int (*function) (struct domain *domain, void *opaque,
                             struct failure *why),
            void *opaque, struct failure *why)
{
  struct domain_request request = { .name = name, .doing = doing,
                                    .function = function, .opaque = opaque };
  int r;

  pthread_mutex_lock (&domain->lock);
  r = take_turn_locked (domain, why);
  if (r == 0) {
    domain->request = &request;
    wake (domain);
    while (!request.done)
      pthread_cond_wait (&domain->changed, &domain->lock);
  }
  pthread_mutex_unlock (&domain->lock);
  return r < 0 || request.error >= 0 ? r
         : pass_failure (domain, &request, why);
}
