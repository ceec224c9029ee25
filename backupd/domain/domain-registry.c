/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The lock is never held while anybody waits for QEMU or a disk.  So a domain that is
 * being added has its name and socket reserved first, is asked without the lock, and is
 * listed last; and a domain that is removed stays until the last who holds it lets go. */
#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "deadline.h"
#include "domain-folders.h"
#include "domain-identity.h"
#include "domain-registry.h"
#include "domain-thread.h"
#include "log.h"
#include "name.h"

/* Storage of one that hangs must not keep all others waiting. */
#define LOOK_MS 5000

struct domain_registry {
  const struct domain_folders *folders;
  /* Protects domains, their users and adding, and stopped.  Never held while
   * anybody waits for QEMU or a disk. */
  pthread_mutex_t lock;
  GPtrArray *domains;           /* of struct domain */
  bool stopped;
};

/* --- the list ------------------------------------------------------- */

static struct domain *
find_locked (struct domain_registry *registry, const char *name)
{
  guint i;

  for (i = 0; i < registry->domains->len; i++) {
    struct domain *domain = g_ptr_array_index (registry->domains, i);

    if (strcmp (domain_name (domain), name) == 0)
      return domain;
  }
  return NULL;
}

int
domain_registry_take (struct domain_registry *registry, const char *name,
                      struct domain **domain, struct failure *why)
{
  struct domain *found;
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
    *domain = found;
    return 0;
  }
  return failure_set (why, FAILURE_DOMAIN_NOT_FOUND, ENOENT,
                      "there is no domain %s; see domain-list", name);
}

void
domain_registry_release (struct domain_registry *registry,
                         struct domain *domain)
{
  bool last;

  pthread_mutex_lock (&registry->lock);
  last = --domain->users == 0;
  pthread_mutex_unlock (&registry->lock);
  if (!last)
    return;
  domain_join (domain);
  domain_destroy (domain);
}

static void
add_locked (struct domain_registry *registry, struct domain *domain)
{
  domain->users = 1;
  g_ptr_array_add (registry->domains, domain);
}

void
domain_registry_remove (struct domain_registry *registry,
                        struct domain *domain)
{
  pthread_mutex_lock (&registry->lock);
  g_ptr_array_remove (registry->domains, domain);
  pthread_mutex_unlock (&registry->lock);
  domain_registry_release (registry, domain);
}

void
domain_registry_each (struct domain_registry *registry,
                      void (*function) (struct domain *domain, void *opaque),
                      void *opaque)
{
  guint i;

  pthread_mutex_lock (&registry->lock);
  for (i = 0; i < registry->domains->len; i++) {
    struct domain *domain = g_ptr_array_index (registry->domains, i);

    if (!domain->adding)
      function (domain, opaque);
  }
  pthread_mutex_unlock (&registry->lock);
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
  domain = domain_create (registry->folders, registration);
  r = domain_start (domain, why);
  if (r < 0) {
    domain_destroy (domain);
    return r;
  }
  pthread_mutex_lock (&registry->lock);
  add_locked (registry, domain);
  pthread_mutex_unlock (&registry->lock);
  return 0;
}

static int
load_all (struct domain_registry *registry, struct failure *why)
{
  g_autoptr (GError) error = NULL;
  GDir *folder = g_dir_open (registry->folders->state, 0, &error);
  const char *name;

  if (folder == NULL)
    return failure_set (why, FAILURE_STORAGE, EIO, "%s", error->message);
  while ((name = g_dir_read_name (folder)) != NULL) {
    g_autofree char *path =
      g_build_filename (registry->folders->state, name, "domain.json", NULL);
    struct failure fault = { .error = 0 };

    if (name_is_domain (name) && access (path, F_OK) == 0 &&
        load_domain (registry, path, name, &fault) < 0)
      log_error ("%s", fault.text);
  }
  g_dir_close (folder);
  return 0;
}

/* So that nobody is told that there is no backup where one goes on. */
static void
wait_looked (struct domain_registry *registry)
{
  int64_t deadline_ms = now_ms () + LOOK_MS;
  guint i;

  for (i = 0; i < registry->domains->len; i++)
    domain_wait_looked (g_ptr_array_index (registry->domains, i), deadline_ms);
}

int
domain_registry_open (const struct domain_folders *folders,
                      struct domain_registry **registry, struct failure *why)
{
  struct domain_registry *new = g_new0 (struct domain_registry, 1);
  int r;

  new->folders = folders;
  pthread_mutex_init (&new->lock, NULL);
  new->domains = g_ptr_array_new ();
  r = load_all (new, why);
  if (r < 0)
    domain_registry_close (new);
  else {
    wait_looked (new);
    *registry = new;
  }
  return r;
}

unsigned
domain_registry_stop (struct domain_registry *registry, bool leave)
{
  g_autoptr (GPtrArray) running = g_ptr_array_new ();
  unsigned left = 0;
  guint i;

  pthread_mutex_lock (&registry->lock);
  registry->stopped = true;
  for (i = 0; i < registry->domains->len; i++) {
    struct domain *domain = g_ptr_array_index (registry->domains, i);

    if (domain->adding)         /* ended by who adds it */
      continue;
    domain_stop (domain, leave);
    domain->users++;
    g_ptr_array_add (running, domain);
  }
  pthread_mutex_unlock (&registry->lock);
  for (i = 0; i < running->len; i++) {
    struct domain *domain = g_ptr_array_index (running, i);

    domain_join (domain);
    left += !domain->handed_over && domain_left_something (domain);
    domain_registry_release (registry, domain);
  }
  return left;
}

void
domain_registry_close (struct domain_registry *registry)
{
  guint i;

  domain_registry_stop (registry, false);
  for (i = 0; i < registry->domains->len; i++)
    domain_registry_release (registry,
                             g_ptr_array_index (registry->domains, i));
  g_ptr_array_free (registry->domains, TRUE);
  pthread_mutex_destroy (&registry->lock);
  g_free (registry);
}

/* --- adding one ------------------------------------------------------ */

static int
check_unused_locked (struct domain_registry *registry,
                     const struct domain_registration *registration,
                     struct failure *why)
{
  const char *qmp = registration->qmp_path;
  guint i;

  for (i = 0; i < registry->domains->len; i++) {
    const struct domain *other = g_ptr_array_index (registry->domains, i);
    const char *name = domain_name (other);

    if (strcmp (name, registration->name) == 0)
      return failure_set (why, FAILURE_EXISTS, EEXIST,
                          "there is a domain %s already", name);
    if (g_strcmp0 (other->registration->qmp_path, qmp) == 0 && qmp != NULL)
      return failure_set (why, FAILURE_EXISTS, EEXIST,
                          "the QMP socket %s is domain %s already", qmp, name);
  }
  if (registry->stopped)
    return failure_set (why, FAILURE_BUSY, ESHUTDOWN,
                        "the daemon is stopping");
  return 0;
}

/* Takes name and socket of DOMAIN, so that QEMU can be asked without a lock. */
static int
reserve (struct domain_registry *registry, struct domain *domain,
         struct failure *why)
{
  int r;

  pthread_mutex_lock (&registry->lock);
  r = check_unused_locked (registry, domain->registration, why);
  if (r == 0) {
    add_locked (registry, domain);
    domain->adding = true;
  }
  pthread_mutex_unlock (&registry->lock);
  return r;
}

/* Whatever it was called there when it was added. */
static const struct domain *
same_machine_locked (struct domain_registry *registry,
                     const struct domain *domain)
{
  const char *uuid = domain->registration->libvirt_uuid;
  guint i;

  for (i = 0; uuid != NULL && i < registry->domains->len; i++) {
    const struct domain *other = g_ptr_array_index (registry->domains, i);

    /* Before that its thread may be about to find out. */
    if (!other->adding &&
        g_strcmp0 (other->registration->libvirt_uuid, uuid) == 0)
      return other;
  }
  return NULL;
}

static void
tell_added (const struct domain *domain)
{
  const struct domain_registration *registration = domain->registration;

  domain_emit (domain, "DOMAIN_ADDED",
               registration->qmp_path != NULL ? "qmp" : "libvirt",
               domain_where (domain));
}

static int
show (struct domain_registry *registry, struct domain *domain,
      struct failure *why)
{
  const struct domain *same;
  int r = 0;

  pthread_mutex_lock (&registry->lock);
  same = same_machine_locked (registry, domain);
  if (registry->stopped)
    r = failure_set (why, FAILURE_BUSY, ESHUTDOWN, "the daemon is stopping");
  else if (same != NULL)
    r = failure_set (why, FAILURE_EXISTS, EEXIST, "the virtual machine %s of "
                     "libvirt is domain %s already",
                     domain->registration->libvirt_domain, domain_name (same));
  else {
    domain->adding = false;
    /* Under the lock, as it can be removed from then on. */
    tell_added (domain);
  }
  pthread_mutex_unlock (&registry->lock);
  return r;
}

/* Takes DOMAIN from reserved to running and listed. */
static int
check_and_start (struct domain_registry *registry, struct domain *domain,
                 struct failure *why)
{
  const char *file = domain->paths.registration;
  int r = domain_folders_check (&domain->paths, why);

  if (r == 0)
    r = domain_identity_check (domain, why);
  if (r == 0)
    r = domain_folders_state (&domain->paths, why);
  if (r < 0)
    return r;
  r = domain_registration_store (domain->registration, file, why);
  if (r == 0)
    r = domain_start (domain, why);
  if (r == 0) {
    r = show (registry, domain, why);
    if (r < 0) {
      domain_stop (domain, false);
      domain_join (domain);
    }
  }
  if (r < 0) {
    (void) unlink (file);
    domain_folders_remove (&domain->paths);
  }
  return r;
}

int
domain_registry_add (struct domain_registry *registry,
                     struct domain_registration *registration,
                     struct failure *why)
{
  struct domain *domain = domain_create (registry->folders, registration);
  int r = reserve (registry, domain, why);

  if (r < 0) {
    domain_destroy (domain);
    return r;
  }
  r = check_and_start (registry, domain, why);
  if (r < 0)
    domain_registry_remove (registry, domain);
  return r;
}
