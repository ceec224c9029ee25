/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two kinds of reader want to know of a domain.  Its own thread has everything without
 * a lock.  Others must not wait for that thread, which may be waiting for QEMU: they
 * see a copy of what it published last, and what it is doing since. */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <glib.h>

#include "control-events.h"
#include "deadline.h"
#include "domain-history.h"
#include "domain-libvirt.h"
#include "domain.h"
#include "json-members.h"
#include "log.h"

struct domain *
domain_create (const struct domain_folders *folders,
               struct domain_registration *registration)
{
  struct domain *domain = g_new0 (struct domain, 1);
  pthread_condattr_t attributes;

  domain->wake_fd = -1;
  domain->checkpoints = -1;
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
  json_object_put (domain->last);
  g_free (domain->outcome);
  g_free (domain->undo);
  g_free (domain->lost_reason);
  g_free (domain->libvirt_name);
  g_free (domain->forgotten);
  xml_domain_destroy (domain->live_xml);
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
domain_where (const struct domain *domain)
{
  return domain->registration->qmp_path != NULL
         ? domain->registration->qmp_path : domain->registration->libvirt_uri;
}

const struct xml_domain *
domain_xml (const struct domain *domain)
{
  return domain->live_xml != NULL ? domain->live_xml
         : domain->registration->xml;
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

/* --- events ---------------------------------------------------------- */

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
  json_object *data = json_object_new_object ();

  json_add_string (data, key, text);
  domain_emit_data (domain, event, data);
}

void
domain_emit_data (const struct domain *domain, const char *event,
                  json_object *data)
{
  if (event_handler == NULL) {
    json_object_put (data);
    return;
  }
  if (data == NULL)
    data = json_object_new_object ();
  json_add_string (data, "domain", domain_name (domain));
#ifdef ENABLE_STOP_AFTER
  if (!control_event_is_known (event, data)) {
    log_error ("control-events.tbl.h does not have %s with %s", event,
               json_object_to_json_string (data));
    abort ();
  }
#endif
  event_handler (event, data);
}

/* --- what others see ------------------------------------------------- */

/* json-c's reference counts are not for several threads. */
static json_object *
copy_of (json_object *object)
{
  json_object *copy = NULL;

  if (object == NULL || json_object_deep_copy (object, &copy, NULL) < 0)
    return NULL;
  return copy;
}

/* Between OLD and NEW, two looks at one backup, children were started again. */
static void
tell_restarts (const struct domain *domain, json_object *old, json_object *new)
{
  static const char *const roles[] = { "sink", "view", "gateway" };
  json_object *was = json_get_object (old, "restarts");
  json_object *is = json_get_object (new, "restarts");
  json_object *pids = json_get_object (new, "processes");
  size_t i;

  for (i = 0; was != NULL && is != NULL && i < G_N_ELEMENTS (roles); i++) {
    json_object *data;

    if (json_get_u64 (is, roles[i]) <= json_get_u64 (was, roles[i]))
      continue;
    data = json_with ("role", roles[i]);
    json_add_u64 (data, "restarts", json_get_u64 (is, roles[i]));
    json_add_u64 (data, "pid", json_get_u64 (pids, roles[i]));
    domain_emit_data (domain, "BACKUP_CHILD_RESTARTED", data);
  }
}

void
domain_tell_adopted (const struct domain *domain)
{
  json_object *data = json_object_new_object ();

  json_add_u64 (data, "adopted", backup_times_adopted (domain->backup));
  domain_emit_data (domain, "BACKUP_ADOPTED", data);
}

void
domain_set_looked (struct domain *domain)
{
  pthread_mutex_lock (&domain->lock);
  domain->looked = true;
  pthread_cond_broadcast (&domain->changed);
  pthread_mutex_unlock (&domain->lock);
}

void
domain_wait_looked (struct domain *domain, int64_t deadline_ms)
{
  pthread_mutex_lock (&domain->lock);
  while (!domain->looked &&
         wait_until_ms (&domain->changed, &domain->lock, deadline_ms))
    ;
  pthread_mutex_unlock (&domain->lock);
}

void
domain_publish (struct domain *domain)
{
  json_object *info = NULL, *old;
  bool frozen = access (domain->paths.backup.quiesce_journal, F_OK) == 0;
  bool was_frozen;

  if (domain->backup != NULL) {
    json_object *shared = backup_info (domain->backup);

    info = copy_of (shared);
    json_object_put (shared);
  }
  pthread_mutex_lock (&domain->lock);
  old = domain->published;
  domain->published = info;
  if (domain->backup == NULL)
    g_clear_pointer (&domain->forgotten, g_free);
  domain->connected = domain->qmp != NULL && !qmp_is_lost (domain->qmp);
  if (domain->catalog != NULL)
    domain->checkpoints = (int64_t) catalog_count (domain->catalog);
  was_frozen = domain->frozen;
  domain->frozen = frozen;
  pthread_mutex_unlock (&domain->lock);
  /* INFO is changed by nobody but this thread. */
  tell_restarts (domain, old, info);
  json_object_put (old);
  if (frozen != was_frozen)
    domain_emit_data (domain, frozen ? "GUEST_FROZEN" : "GUEST_THAWED", NULL);
}

json_object *
domain_facts (struct domain *domain)
{
  json_object *facts = json_with ("name", domain_name (domain));
  json_object *backup = domain_backup (domain);

  pthread_mutex_lock (&domain->lock);
  json_add_bool (facts, "connected", domain->connected);
  json_add_bool (facts, "frozen", domain->frozen);
  if (domain->checkpoints >= 0)
    json_add_i64 (facts, "checkpoints", domain->checkpoints);
  if (domain->committed_at > 0)
    json_add_i64 (facts, "committed", domain->committed_at);
  if (domain->last != NULL)
    json_object_object_add (facts, "last", copy_of (domain->last));
  pthread_mutex_unlock (&domain->lock);
  if (backup != NULL)
    json_object_object_add (facts, "backup", backup);
  return facts;
}

/* --- the story of a backup ------------------------------------------- */

/* RECORD (taken over) is the newest. */
static void
keep_record (struct domain *domain, json_object *record)
{
  pthread_mutex_lock (&domain->lock);
  if (json_has_string (record, "result", "committed"))
    domain->committed_at = (int64_t) json_get_u64 (record, "ended");
  json_object_put (domain->last);
  domain->last = record;
  pthread_mutex_unlock (&domain->lock);
}

void
domain_read_history (struct domain *domain)
{
  struct failure why = { .error = 0 };
  json_object *records = NULL;
  size_t i;

  domain_history_tidy (domain->paths.history);
  if (domain_history_read (domain->paths.history, &records, &why) < 0)
    log_warning ("%s", why.text);
  /* The newest comes last, and decides. */
  for (i = json_length (records); i-- > 0; )
    keep_record (domain, copy_of (json_object_array_get_idx (records, i)));
  json_object_put (records);
}

void
domain_note_begin (struct domain *domain,
                   const struct arguments_backup_begin *given)
{
  json_object *data = json_object_new_object ();

  domain->begun = g_get_real_time ();
  qmp_tag_make (domain->tag);
  log_set_backup (domain->tag);
  json_add_known (data, "checkpoint", given->checkpoint);
  json_add_known (data, "incremental", given->incremental);
  json_add_known (data, "consumer", given->consumer);
  domain_emit_data (domain, "BACKUP_BEGUN", data);
}

void
domain_note_ready (struct domain *domain, json_object *info)
{
  static const char *const keys[] = { "checkpoint", "incremental", "consumer",
                                      "mode", "frozen-ms", "quiesced-ms",
                                      "consistency" };
  CLEANUP_JSON json_object *record =
    domain_history_record (info, domain->begun, "", NULL);
  json_object *data = json_object_new_object ();
  size_t i;

  for (i = 0; i < G_N_ELEMENTS (keys); i++) {
    json_object *value = json_object_object_get (record, keys[i]);

    if (value == NULL)
      value = json_object_object_get (info, keys[i]);
    if (value != NULL)
      json_object_object_add (data, keys[i], copy_of (value));
  }
  domain_emit_data (domain, "BACKUP_READY", data);
}

/* The backup of which INFO (taken over) was the last that was seen. */
static void
record_end (struct domain *domain, json_object *info, const char *outcome,
            const char *class)
{
  json_object *record = domain_history_record (info, domain->begun, outcome,
                                               class);
  json_object *data = copy_of (record);

  json_object_put (info);
  domain->begun = 0;
  domain_history_add (domain->paths.history, record);
  keep_record (domain, record);
  /* Who asks after the event finds no backup. */
  domain_publish (domain);
  domain_emit_data (domain, "BACKUP_ENDED", data);
  log_set_backup (NULL);
}

void
domain_note_failure (struct domain *domain, const struct failure *why)
{
  g_autofree char *outcome = g_strdup_printf ("failed: %s", why->text);

  record_end (domain, NULL, outcome, failure_class_name (why->class));
}

void
domain_note_end (struct domain *domain, json_object *info, const char *outcome)
{
  domain->told_state = BACKUP_READY;
  domain->recovery_due = domain_left_something (domain);
  pthread_mutex_lock (&domain->lock);
  g_free (domain->outcome);
  domain->outcome = g_strdup (outcome);
  pthread_mutex_unlock (&domain->lock);
  record_end (domain, info, outcome, NULL);
}

void
domain_set_outcome (struct domain *domain, const char *outcome)
{
  json_object *info;

  pthread_mutex_lock (&domain->lock);
  info = copy_of (domain->published);
  pthread_mutex_unlock (&domain->lock);
  domain_note_end (domain, info, outcome);
}

void
domain_set_undo (struct domain *domain, const char *reason)
{
  pthread_mutex_lock (&domain->lock);
  g_free (domain->undo);
  domain->undo = g_strdup (reason);
  pthread_mutex_unlock (&domain->lock);
}

int
domain_no_backup (struct domain *domain, struct failure *why)
{
  g_autofree char *outcome = NULL;
  g_autofree char *undo = NULL;

  pthread_mutex_lock (&domain->lock);
  outcome = g_strdup (domain->outcome);
  undo = g_strdup (domain->undo);
  pthread_mutex_unlock (&domain->lock);
  if (undo != NULL)
    return failure_set (why, FAILURE_BACKUP_NOT_FOUND, ENOENT,
                        "no backup of %s is running, but an interrupted one "
                        "is not undone yet: %s", domain_name (domain), undo);
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
    info = copy_of (domain->published);
    if (doing == DOMAIN_ENDING)
      state = "ending";
  }
  else if (!domain->looked && domain->started)
    state = "recovering";
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

  json_add_known (summary, "qmp", domain->registration->qmp_path);
  domain_libvirt_show (domain, summary);
  json_add_string (summary, "backup", backup == NULL ? "none"
                   : json_get_string (backup, "state"));
  return summary;
}
