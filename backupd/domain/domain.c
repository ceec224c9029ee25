/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two kinds of reader want to know of a domain.  Its own thread has everything without
 * a lock.  Others must not wait for that thread, which may be waiting for QEMU: they
 * see a copy of what it published last, and what it is doing since. */
#include <config.h>

#include <errno.h>
#include <unistd.h>

#include <glib.h>

#include "domain.h"
#include "json-members.h"

struct domain *
domain_create (const struct domain_folders *folders,
               struct domain_registration *registration)
{
  struct domain *domain = g_new0 (struct domain, 1);
  pthread_condattr_t attributes;

  domain->wake_fd = -1;
  domain->default_ttl = folders->default_ttl;
  domain->default_idle_timeout = folders->default_idle_timeout;
  domain->registration = registration;
  domain_paths_init (&domain->paths, folders, registration->name);
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
  if (domain->wake_fd >= 0)
    close (domain->wake_fd);
  pthread_mutex_destroy (&domain->lock);
  pthread_cond_destroy (&domain->changed);
  json_object_put (domain->published);
  g_free (domain->outcome);
  domain_registration_destroy (domain->registration);
  domain_paths_clear (&domain->paths);
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

bool
domain_left_something (const struct domain *domain)
{
  return access (domain->paths.backup.journal, F_OK) == 0;
}

int
domain_catalog_open (struct domain *domain, struct failure *why)
{
  if (domain->catalog != NULL)
    return 0;
  return catalog_open (domain->paths.catalog, &domain->catalog, why);
}

/* --- the backup, as others see it ------------------------------------ */

static void (*event_handler) (const char *event, json_object *data);

void
domain_set_event_handler (void (*handler) (const char *event,
                                           json_object *data))
{
  event_handler = handler;
}

void
domain_emit (const struct domain *domain, const char *event, const char *key,
             const char *text)
{
  json_object *data;

  if (event_handler == NULL)
    return;
  data = json_with ("domain", domain_name (domain));
  json_add_string (data, key, text);
  event_handler (event, data);
}

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

void
domain_set_outcome (struct domain *domain, const char *outcome)
{
  domain->told_state = BACKUP_READY;
  domain->recovery_due = domain_left_something (domain);
  pthread_mutex_lock (&domain->lock);
  g_free (domain->outcome);
  domain->outcome = g_strdup (outcome);
  pthread_mutex_unlock (&domain->lock);
  /* Who asks after the event finds no backup. */
  domain_publish (domain);
  domain_emit (domain, "BACKUP_ENDED", "outcome", outcome);
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
    info = json_with ("domain", domain_name (domain));
    json_object_object_add (info, "disks", json_object_new_array ());
  }
  if (state != NULL)
    json_add_string (info, "state", state);
  return info;
}

json_object *
domain_summary (struct domain *domain)
{
  json_object *summary = json_with ("name", domain_name (domain));
  CLEANUP_JSON json_object *backup = domain_backup (domain);

  json_add_string (summary, "qmp", domain_qmp_path (domain));
  json_add_string (summary, "backup", backup == NULL ? "none"
                   : json_get_string (backup, "state"));
  return summary;
}
