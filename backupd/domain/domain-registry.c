/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "control-commands.h"
#include "domain-folders.h"
#include "domain-registry.h"
#include "domain-requests.h"
#include "export-names.h"
#include "log.h"

struct entry {
  struct domain *domain;
  unsigned users;               /* calls that hold it, and the list */
  bool adding;                  /* its name and socket are taken, no more */
};

struct domain_registry {
  char *runtime, *state, *scratch, *identity;
  struct domain_folders folders;        /* borrows the line above */
  /* Protects entries, what is in them, and stopped.  Never held while anybody
   * waits for QEMU or a disk. */
  pthread_mutex_t lock;
  GPtrArray *entries;           /* of struct entry */
  bool stopped;
};

/* --- entries -------------------------------------------------------- */

static struct entry *
find_locked (struct domain_registry *registry, const char *name)
{
  guint i;

  for (i = 0; i < registry->entries->len; i++) {
    struct entry *entry = g_ptr_array_index (registry->entries, i);

    if (strcmp (domain_name (entry->domain), name) == 0)
      return entry;
  }
  return NULL;
}

static int
entry_take (struct domain_registry *registry, const char *name,
            struct entry **entry, struct failure *why)
{
  struct entry *found;
  bool adding;

  pthread_mutex_lock (&registry->lock);
  found = find_locked (registry, name);
  adding = found != NULL && found->adding;
  if (found != NULL && !adding)
    found->users++;
  pthread_mutex_unlock (&registry->lock);
  if (adding)
    return failure_set (why, FAILURE_BUSY, EBUSY,
                        "domain %s is just being added", name);
  if (found != NULL) {
    *entry = found;
    return 0;
  }
  return failure_set (why, FAILURE_DOMAIN_NOT_FOUND, ENOENT,
                      "there is no domain %s; see domain-list", name);
}

static void
entry_release (struct domain_registry *registry, struct entry *entry)
{
  bool last;

  pthread_mutex_lock (&registry->lock);
  last = --entry->users == 0;
  pthread_mutex_unlock (&registry->lock);
  if (!last)
    return;
  domain_join (entry->domain);
  domain_destroy (entry->domain);
  g_free (entry);
}

static struct entry *
entry_add_locked (struct domain_registry *registry, struct domain *domain)
{
  struct entry *entry = g_new0 (struct entry, 1);

  entry->domain = domain;
  entry->users = 1;
  g_ptr_array_add (registry->entries, entry);
  return entry;
}

static void
entry_remove (struct domain_registry *registry, struct entry *entry)
{
  pthread_mutex_lock (&registry->lock);
  g_ptr_array_remove (registry->entries, entry);
  pthread_mutex_unlock (&registry->lock);
  entry_release (registry, entry);
}

/* --- loading -------------------------------------------------------- */

static int
load_domain (struct domain_registry *registry, const char *path,
             const char *name, struct failure *why)
{
  struct domain_registration *registration = NULL;
  struct domain *domain;
  int r = domain_registration_load (path, &registration, why);

  if (r < 0)
    return r;
  if (strcmp (registration->name, name) != 0) {
    r = failure_set (why, FAILURE_STORAGE, EINVAL,
                     "%s is the registration of another domain, %s", path,
                     registration->name);
    domain_registration_destroy (registration);
    return r;
  }
  domain = domain_create (&registry->folders, registration);
  if (domain == NULL) {
    domain_registration_destroy (registration);
    return failure_set (why, FAILURE_GENERIC, EMFILE,
                        "cannot load domain %s: no descriptors left", name);
  }
  r = domain_start (domain, why);
  if (r < 0) {
    domain_destroy (domain);
    return r;
  }
  pthread_mutex_lock (&registry->lock);
  entry_add_locked (registry, domain);
  pthread_mutex_unlock (&registry->lock);
  return 0;
}

static int
load_all (struct domain_registry *registry, struct failure *why)
{
  g_autoptr (GError) error = NULL;
  GDir *folder = g_dir_open (registry->state, 0, &error);
  const char *name;

  if (folder == NULL)
    return failure_set (why, FAILURE_STORAGE, EIO, "%s", error->message);
  while ((name = g_dir_read_name (folder)) != NULL) {
    g_autofree char *path =
      g_build_filename (registry->state, name, "domain.json", NULL);
    struct failure fault = { .error = 0 };

    if (name_is_domain (name) && access (path, F_OK) == 0 &&
        load_domain (registry, path, name, &fault) < 0)
      log_error ("%s", fault.text);
  }
  g_dir_close (folder);
  return 0;
}

int
domain_registry_open (const struct domain_folders *folders,
                      struct domain_registry **registry, struct failure *why)
{
  struct domain_registry *new = g_new0 (struct domain_registry, 1);
  int r;

  new->runtime = g_strdup (folders->runtime);
  new->state = g_strdup (folders->state);
  new->scratch = g_strdup (folders->scratch);
  new->identity = g_strdup (folders->identity);
  new->folders = *folders;
  new->folders.runtime = new->runtime;
  new->folders.state = new->state;
  new->folders.scratch = new->scratch;
  new->folders.identity = new->identity;
  pthread_mutex_init (&new->lock, NULL);
  new->entries = g_ptr_array_new ();
  r = load_all (new, why);
  if (r < 0)
    domain_registry_close (new);
  else
    *registry = new;
  return r;
}

unsigned
domain_registry_stop (struct domain_registry *registry)
{
  g_autoptr (GPtrArray) running = g_ptr_array_new ();
  unsigned left = 0;
  guint i;

  pthread_mutex_lock (&registry->lock);
  registry->stopped = true;
  for (i = 0; i < registry->entries->len; i++) {
    struct entry *entry = g_ptr_array_index (registry->entries, i);

    if (entry->adding)          /* ended by who adds it */
      continue;
    domain_stop (entry->domain);
    entry->users++;
    g_ptr_array_add (running, entry);
  }
  pthread_mutex_unlock (&registry->lock);
  for (i = 0; i < running->len; i++) {
    struct entry *entry = g_ptr_array_index (running, i);

    domain_join (entry->domain);
    left += domain_left_something (entry->domain);
    entry_release (registry, entry);
  }
  return left;
}

void
domain_registry_close (struct domain_registry *registry)
{
  guint i;

  domain_registry_stop (registry);
  for (i = 0; i < registry->entries->len; i++)
    entry_release (registry, g_ptr_array_index (registry->entries, i));
  g_ptr_array_free (registry->entries, TRUE);
  pthread_mutex_destroy (&registry->lock);
  g_free (registry->runtime);
  g_free (registry->state);
  g_free (registry->scratch);
  g_free (registry->identity);
  g_free (registry);
}

/* --- domain-add and domain-remove ----------------------------------- */

static int
check_unused_locked (struct domain_registry *registry,
                     const struct domain_registration *registration,
                     struct failure *why)
{
  guint i;

  for (i = 0; i < registry->entries->len; i++) {
    struct entry *entry = g_ptr_array_index (registry->entries, i);
    const char *name = domain_name (entry->domain);

    if (strcmp (name, registration->name) == 0)
      return failure_set (why, FAILURE_EXISTS, EEXIST,
                          "there is a domain %s already", name);
    if (strcmp (domain_qmp_path (entry->domain), registration->qmp_path) == 0)
      return failure_set (why, FAILURE_EXISTS, EEXIST,
                          "the QMP socket %s is domain %s already",
                          registration->qmp_path, name);
  }
  if (registry->stopped)
    return failure_set (why, FAILURE_BUSY, ESHUTDOWN,
                        "the daemon is stopping");
  return 0;
}

/* Takes name and socket of DOMAIN, so that QEMU can be asked without a lock. */
static int
entry_reserve (struct domain_registry *registry, struct domain *domain,
               struct entry **entry, struct failure *why)
{
  int r;

  pthread_mutex_lock (&registry->lock);
  r = check_unused_locked (registry, domain->registration, why);
  if (r == 0) {
    *entry = entry_add_locked (registry, domain);
    (*entry)->adding = true;
  }
  pthread_mutex_unlock (&registry->lock);
  return r;
}

static int
entry_publish (struct domain_registry *registry, struct entry *entry,
               struct failure *why)
{
  bool stopped;

  pthread_mutex_lock (&registry->lock);
  stopped = registry->stopped;
  entry->adding = stopped;
  pthread_mutex_unlock (&registry->lock);
  if (!stopped)
    return 0;
  return failure_set (why, FAILURE_BUSY, ESHUTDOWN, "the daemon is stopping");
}

/* Takes the domain of ENTRY from created to running and listed. */
static int
add_domain (struct domain_registry *registry, struct entry *entry,
            struct failure *why)
{
  struct domain *domain = entry->domain;
  const char *file = domain->registration_file;
  int r = domain_folders_check (domain, why);

  if (r == 0)
    r = domain_check_new (domain, why);
  if (r == 0)
    r = domain_folders_state (domain, why);
  if (r < 0)
    return r;
  r = domain_registration_store (domain->registration, file, why);
  if (r == 0)
    r = domain_start (domain, why);
  if (r == 0) {
    r = entry_publish (registry, entry, why);
    if (r < 0) {
      domain_stop (domain);
      domain_join (domain);
    }
  }
  if (r < 0) {
    (void) unlink (file);
    domain_folders_remove (domain);
  }
  return r;
}

static int
call_domain_add (struct domain_registry *registry, json_object *arguments,
                 json_object **result, struct failure *why)
{
  struct domain_registration *registration = NULL;
  struct domain *domain;
  struct entry *entry = NULL;
  int r = domain_registration_from_json (arguments, &registration, why);

  if (r < 0)
    return r;
  domain = domain_create (&registry->folders, registration);
  if (domain == NULL) {
    domain_registration_destroy (registration);
    return failure_set (why, FAILURE_GENERIC, EMFILE,
                        "cannot add a domain: no descriptors left");
  }
  r = entry_reserve (registry, domain, &entry, why);
  if (r < 0) {
    domain_destroy (domain);
    return r;
  }
  r = add_domain (registry, entry, why);
  if (r < 0)
    entry_remove (registry, entry);
  else
    *result = json_object_new_object ();
  return r;
}

static int
call_domain_remove (struct domain_registry *registry, json_object *arguments,
                    json_object **result, struct failure *why)
{
  struct entry *entry = NULL;
  int r = entry_take (registry, control_get_string (arguments, "name"), &entry,
                      why);

  if (r < 0)
    return r;
  /* Once only: who comes later is told that it is being closed. */
  r = domain_call (entry->domain, "domain-remove", arguments, result, why);
  if (r == 0)
    entry_remove (registry, entry);
  entry_release (registry, entry);
  return r;
}

/* --- commands answered from the status copies ----------------------- */

/* {KEY: [what SHOW says of each domain]}; NULL from SHOW: left out. */
static json_object *
list_domains (struct domain_registry *registry, const char *key,
              json_object *(*show) (struct domain *domain))
{
  json_object *list = json_object_new_array ();
  json_object *result = json_object_new_object ();
  guint i;

  pthread_mutex_lock (&registry->lock);
  for (i = 0; i < registry->entries->len; i++) {
    struct entry *entry = g_ptr_array_index (registry->entries, i);
    json_object *shown = entry->adding ? NULL : show (entry->domain);

    if (shown != NULL)
      json_object_array_add (list, shown);
  }
  pthread_mutex_unlock (&registry->lock);
  json_object_object_add (result, key, list);
  return result;
}

static int
call_domain_list (struct domain_registry *registry, json_object *arguments,
                  json_object **result, struct failure *why)
{
  *result = list_domains (registry, "domains", domain_summary);
  return 0;
}

static int
call_backup_list (struct domain_registry *registry, json_object *arguments,
                  json_object **result, struct failure *why)
{
  *result = list_domains (registry, "backups", domain_backup);
  return 0;
}

static int
call_backup_info (struct domain_registry *registry, json_object *arguments,
                  json_object **result, struct failure *why)
{
  const char *name = control_get_string (arguments, "domain");
  struct entry *entry = NULL;
  int r = entry_take (registry, name, &entry, why);

  if (r < 0)
    return r;
  *result = domain_backup (entry->domain);
  if (*result == NULL)
    r = domain_no_backup (entry->domain, why);
  entry_release (registry, entry);
  return r;
}

/* --- dispatch ------------------------------------------------------- */

static int
call_in_domain (struct domain_registry *registry, const char *verb,
                json_object *arguments, json_object **result,
                struct failure *why)
{
  const char *name = control_get_string (arguments, "domain");
  struct entry *entry = NULL;
  int r;

  if (name == NULL)
    name = control_get_string (arguments, "name");
  if (name == NULL)
    return failure_set (why, FAILURE_COMMAND_NOT_FOUND, ENOSYS,
                        "there is no command \"%s\"", verb);
  r = entry_take (registry, name, &entry, why);
  if (r < 0)
    return r;
  r = domain_call (entry->domain, verb, arguments, result, why);
  entry_release (registry, entry);
  return r;
}

int
domain_registry_call (struct domain_registry *registry, const char *verb,
                      json_object *arguments, json_object **result,
                      struct failure *why)
{
  static const struct {
    const char *verb;
    int (*call) (struct domain_registry *registry, json_object *arguments,
                 json_object **result, struct failure *why);
  } calls[] = {
    { "domain-add", call_domain_add },
    { "domain-remove", call_domain_remove },
    { "domain-list", call_domain_list },
    { "backup-list", call_backup_list },
    { "backup-info", call_backup_info }
  };
  size_t i;

  for (i = 0; i < G_N_ELEMENTS (calls); i++)
    if (strcmp (calls[i].verb, verb) == 0)
      return calls[i].call (registry, arguments, result, why);
  return call_in_domain (registry, verb, arguments, result, why);
}
