/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <glib.h>

#include "deadline.h"
#include "domain-chain.h"
#include "domain-ending.h"
#include "domain-link.h"
#include "domain-private.h"
#include "log.h"
#include "process-child.h"
#include "qmp-json.h"

/* How long a request waits for a short one before it says busy. */
#define TURN_MS 3000

struct domain *
domain_create (const struct domain_folders *folders,
               struct domain_registration *registration)
{
  struct domain *domain;
  pthread_condattr_t attributes;
  const char *name = registration->name;
  int wake_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);

  if (wake_fd < 0)
    return NULL;
  domain = g_new0 (struct domain, 1);
  domain->wake_fd = wake_fd;
  domain->default_ttl = folders->default_ttl;
  domain->default_idle_timeout = folders->default_idle_timeout;
  domain->registration = registration;
  domain->state_folder = g_build_filename (folders->state, name, NULL);
  domain->catalog_folder =
    g_build_filename (domain->state_folder, "checkpoints", NULL);
  domain->registration_file =
    g_build_filename (domain->state_folder, "domain.json", NULL);
  domain->journal = g_build_filename (domain->state_folder, "job.json", NULL);
  domain->quiesce_journal =
    g_build_filename (domain->state_folder, "quiesce.json", NULL);
  domain->private_folder = g_build_filename (folders->runtime, name, NULL);
  domain->client_socket = g_strdup_printf ("%s.sock", domain->private_folder);
  domain->scratch_parent = g_strdup (folders->scratch);
  domain->scratch_folder = g_build_filename (folders->scratch, name, NULL);
  domain->owner =
    g_strdup_printf ("%s %s", folders->identity, folders->state);
  domain->maps_parent = g_build_filename (folders->runtime, ".maps", NULL);
  domain->maps_folder = g_build_filename (domain->maps_parent, name, NULL);
  domain->paths = (struct backup_paths) {
    .private_folder = domain->private_folder,
    .client_socket = domain->client_socket,
    .scratch_folder = domain->scratch_folder,
    .maps_folder = domain->maps_folder,
    .sink_limit_ms = folders->sink_limit_ms,
    .sink_wait = folders->sink_wait,
    .journal = domain->journal,
    .quiesce_journal = domain->quiesce_journal
  };
  pthread_mutex_init (&domain->lock, NULL);
  pthread_condattr_init (&attributes);
  pthread_condattr_setclock (&attributes, CLOCK_MONOTONIC);
  pthread_cond_init (&domain->changed, &attributes);
  pthread_condattr_destroy (&attributes);
  return domain;
}

void
domain_destroy (struct domain *domain)
{
  if (domain == NULL)
    return;
  close (domain->wake_fd);
  pthread_mutex_destroy (&domain->lock);
  pthread_cond_destroy (&domain->changed);
  json_object_put (domain->published);
  g_free (domain->outcome);
  domain_registration_destroy (domain->registration);
  g_free (domain->state_folder);
  g_free (domain->catalog_folder);
  g_free (domain->registration_file);
  g_free (domain->journal);
  g_free (domain->quiesce_journal);
  g_free (domain->private_folder);
  g_free (domain->client_socket);
  g_free (domain->scratch_parent);
  g_free (domain->scratch_folder);
  g_free (domain->owner);
  g_free (domain->maps_parent);
  g_free (domain->maps_folder);
  g_free (domain);
}

const char *
domain_name (const struct domain *domain)
{
  return domain->registration->name;
}

const char *
domain_qmp_path (const struct domain *domain)
{
  return domain->registration->qmp_path;
}

int
domain_busy (struct domain *domain, struct failure *why)
{
  json_object *info = backup_info (domain->backup), *started = NULL;
  const char *consumer = qmp_json_string (info, "consumer");
  char since[64] = "some time";
  time_t when;
  struct tm tm;
  int r;

  json_object_object_get_ex (info, "started", &started);
  when = (time_t) json_object_get_int64 (started);
  if (gmtime_r (&when, &tm) != NULL)
    strftime (since, sizeof since, "%Y-%m-%d %H:%M:%S UTC", &tm);
  r = failure_set (why, FAILURE_BUSY, EBUSY,
                   "busy: a backup of %s held by consumer %s is running since "
                   "%s; commit or abort it first",
                   domain->registration->name,
                   consumer == NULL ? "default" : consumer, since);
  json_object_put (info);
  return r;
}

int
domain_no_backup (struct domain *domain, struct failure *why)
{
  g_autofree char *outcome = NULL;

  pthread_mutex_lock (&domain->lock);
  outcome = g_strdup (domain->outcome);
  pthread_mutex_unlock (&domain->lock);
  return failure_set (why, FAILURE_BACKUP_NOT_FOUND, ENOENT,
                      "no backup of %s is running%s%s", domain_name (domain),
                      outcome == NULL ? "" : "; the last one ended: ",
                      outcome == NULL ? "" : outcome);
}

/* --- the thread ----------------------------------------------------- */

void
domain_publish (struct domain *domain)
{
  json_object *info = NULL, *copy = NULL;

  if (domain->backup != NULL) {
    info = backup_info (domain->backup);
    /* json-c's reference counts are not for several threads. */
    if (json_object_deep_copy (info, &copy, NULL) < 0)
      copy = NULL;
    json_object_put (info);
  }
  pthread_mutex_lock (&domain->lock);
  json_object_put (domain->published);
  domain->published = copy;
  pthread_mutex_unlock (&domain->lock);
}

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
  int64_t at = INT64_MAX;

  if (domain->backup != NULL)
    return BACKUP_TICK_MS;
  if (domain->qmp != NULL)
    at = domain->qmp_used + DOMAIN_LINK_IDLE_MS;
  else if (domain->recovery_due)
    at = domain->recover_at;
  if (domain_may_be_frozen (domain))
    at = MIN (at, domain->thaw_again_at);
  return at == INT64_MAX ? -1 : ms_left (at);
}

/* What could not be undone when the daemon started; QEMU may answer by now. */
static void
recover_again (struct domain *domain)
{
  struct failure why = { .error = 0 };

  domain_keep_sink (domain);
  if (domain_link_open (domain, &why) < 0)
    log_debug ("%s", why.text);
  domain->recover_at = now_ms () + DOMAIN_RECOVER_MS;
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
    domain_link_dispatch (domain);
  if (polled[0].revents != 0)
    serve_request (domain);
  if (domain->backup != NULL) {
    domain_backup_watch (domain, backup_tick (domain->backup));
    /* A tick may talk to QEMU and find the session lost. */
    if (domain->qmp != NULL && qmp_is_lost (domain->qmp))
      domain_link_dispatch (domain);
    domain_publish (domain);
  }
  else if (domain->qmp != NULL &&
           now_ms () - domain->qmp_used >= DOMAIN_LINK_IDLE_MS)
    domain_link_close (domain);
  else if (domain->qmp == NULL && domain->recovery_due &&
           ms_left (domain->recover_at) == 0)
    recover_again (domain);
  if (domain_may_be_frozen (domain) && ms_left (domain->thaw_again_at) == 0)
    domain_thaw_again (domain);
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
    request->error = failure_set (&request->why, FAILURE_BUSY, ESHUTDOWN,
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
  struct failure why = { .error = 0 };

  if (domain_recover (domain, &why) < 0)
    log_warning ("%s", why.text);
  domain->recover_at = now_ms () + DOMAIN_RECOVER_MS;
  if (!domain->recovery_due)
    domain_chain_start (domain);
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
  int r = pthread_create (&domain->thread, NULL, domain_main, domain);

  if (r != 0)
    return failure_set (why, FAILURE_GENERIC, r,
                        "cannot start a thread for domain %s: %s",
                        domain_name (domain), g_strerror (r));
  domain->started = true;
  return 0;
}

void
domain_stop (struct domain *domain)
{
  pthread_mutex_lock (&domain->lock);
  domain->stopping = true;
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

bool
domain_left_something (const struct domain *domain)
{
  return access (domain->journal, F_OK) == 0;
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

json_object *
domain_backup (struct domain *domain)
{
  json_object *info = NULL;
  const char *state = NULL;
  enum domain_doing doing;

  pthread_mutex_lock (&domain->lock);
  doing = domain->request == NULL ? DOMAIN_QUICK : domain->request->doing;
  if (domain->published != NULL) {
    if (json_object_deep_copy (domain->published, &info, NULL) < 0)
      info = NULL;
    if (doing == DOMAIN_ENDING)
      state = "ending";
  }
  else if (doing == DOMAIN_BEGINNING)
    state = "beginning";
  pthread_mutex_unlock (&domain->lock);

  if (info == NULL && state != NULL) {
    info = json_object_new_object ();
    json_object_object_add (info, "domain",
                            json_object_new_string (domain_name (domain)));
    json_object_object_add (info, "disks", json_object_new_array ());
  }
  if (state != NULL)
    json_object_object_add (info, "state", json_object_new_string (state));
  return info;
}

json_object *
domain_summary (struct domain *domain)
{
  json_object *summary = json_object_new_object ();
  json_object *backup = domain_backup (domain), *state = NULL;

  json_object_object_add (summary, "name",
                          json_object_new_string (domain_name (domain)));
  json_object_object_add (summary, "qmp",
                          json_object_new_string (domain_qmp_path (domain)));
  json_object_object_get_ex (backup, "state", &state);
  json_object_object_add (summary, "backup", state == NULL
                          ? json_object_new_string ("none")
                          : json_object_get (state));
  json_object_put (backup);
  return summary;
}
