/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* domain-add, -remove, -list and -info.  A domain's thread removes its files:
 * what it may be doing with them then, it has done. */
#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "domain-disks.h"
#include "domain-ending.h"
#include "domain-folders.h"
#include "domain-libvirt.h"
#include "domain-recovery.h"
#include "domain-registry.h"
#include "domain-thread.h"
#include "domain-watch.h"
#include "requests-domain-all.h"
#include "requests-show.h"
#include "requests.h"
#include "restore.h"

#define NAMES_SHOWN 8

int
requests_domain_add (struct domain_registry *registry,
                     const struct arguments_domain_add *given,
                     json_object **result, struct failure *why)
{
  struct domain_registration *registration = NULL;
  int r;

  if (given->all || given->match != NULL) {
    r = requests_domain_add_all (registry, given, result, why);
    domain_watch_look ();
    return r;
  }
  r = domain_registration_create (given, &registration, why);
  if (r == 0)
    r = domain_registry_add (registry, registration, why);
  if (r < 0)
    return r;
  domain_watch_look ();
  *result = json_object_new_object ();
  return 0;
}

static void
add_summary (struct domain *domain, void *list)
{
  json_object_array_add (list, domain_summary (domain));
}

int
requests_domain_list (struct domain_registry *registry,
                      const struct arguments_domain_list *given,
                      json_object **result, struct failure *why)
{
  *result = requests_show_all (registry, "domains", add_summary);
  return 0;
}

int
requests_domain_info (struct domain *domain,
                      const struct arguments_domain_info *given,
                      json_object **result, struct failure *why)
{
  struct qmp_disks disks = { 0 };
  json_object *list;
  size_t i;
  int r = domain_connect (domain, why);

  if (r == 0)
    r = domain_disks_query (domain, &disks, why);
  else if (domain_libvirt_is_off (domain))
    r = 0;
  if (r == 0) {
    *result = domain_summary (domain);
    list = json_object_new_array ();
    for (i = 0; i < disks.n; i++)
      json_object_array_add (list, requests_show_disk (&disks.disks[i]));
    json_object_object_add (*result, "disks", list);
    domain_libvirt_show_names (domain, *result);
  }
  qmp_disks_clear (&disks);
  return r;
}

/* --- domain-remove -------------------------------------------------- */

/* The names of checkpoint files, also where the catalog cannot be read; the
 * first few of them in NAMES. */
static size_t
count_checkpoints (const struct domain *domain, GString *names)
{
  GDir *folder = g_dir_open (domain->paths.catalog, 0, NULL);
  const char *name;
  size_t n = 0;

  if (folder == NULL)
    return 0;
  while ((name = g_dir_read_name (folder)) != NULL) {
    if (!g_str_has_suffix (name, ".xml"))
      continue;
    if (n++ < NAMES_SHOWN)
      g_string_append_printf (names, "%s%.*s", names->len > 0 ? ", " : "",
                              (int) MIN (strlen (name) - 4, 60), name);
  }
  g_dir_close (folder);
  if (n > NAMES_SHOWN)
    g_string_append (names, ", ...");
  return n;
}

static int
remove_checkpoints (const struct domain *domain, struct failure *why)
{
  DIR *folder = opendir (domain->paths.catalog);
  struct dirent *entry;
  int r = 0;

  if (folder == NULL && errno == ENOENT)
    return 0;
  if (folder == NULL)
    r = -errno;
  while (r == 0 && (entry = readdir (folder)) != NULL)
    if (g_str_has_suffix (entry->d_name, ".xml") &&
        unlinkat (dirfd (folder), entry->d_name, 0) < 0)
      r = -errno;
  if (r == 0 && fsync (dirfd (folder)) < 0)
    r = -errno;
  if (folder != NULL)
    closedir (folder);
  if (r < 0)
    return failure_set (why, FAILURE_STORAGE, -r,
                        "cannot remove the checkpoints in %s: %s",
                        domain->paths.catalog, g_strerror (-r));
  return 0;
}

/* The interrupted backup must be undone; one that only waits for its checkpoint's file
 * may be left for when the checkpoints are forgotten. */
static int
undo_interrupted (struct domain *domain, bool may_wait, struct failure *why)
{
  struct failure fault = { .error = 0 };

  if (!domain->recovery_due || domain_connect (domain, &fault) == 0 ||
      !domain->recovery_due || (may_wait && domain->recovery_waits))
    return 0;
  return failure_set (why, fault.class, fault.error, "%s", fault.text);
}

static int
check_removable (struct domain *domain, bool metadata, struct failure *why)
{
  const char *name = domain->registration->name;
  g_autoptr (GString) names = g_string_new (NULL);
  size_t n;
  int r = restore_check_machine (name, why);

  if (r == 0)
    r = domain_backup_finish (domain, why);
  if (r < 0)
    return r;
  if (domain->backup != NULL)
    return failure_set (why, FAILURE_BUSY, EBUSY,
                        "a backup of %s is running; commit or abort it first",
                        name);
  r = undo_interrupted (domain, metadata, why);
  if (r < 0)
    return r;
  g_string_truncate (names, 0);
  n = count_checkpoints (domain, names);
  if (n > 0 && !metadata)
    return failure_set (why, FAILURE_BUSY, EBUSY,
                        "domain %s has %zu checkpoint%s (%s); without their "
                        "records the next backup of every disk is a full one: "
                        "add --checkpoints-metadata to forget them", name, n,
                        n == 1 ? "" : "s", names->str);
  /* Nobody would do it later. */
  return domain_thaw (domain, why);
}

/* Last the registration: a crash before that leaves a domain that can be
 * removed once more. */
static int
remove_in_thread (struct domain *domain, void *opaque, struct failure *why)
{
  const struct arguments_domain_remove *given = opaque;
  int r = check_removable (domain, given->checkpoints_metadata, why);

  if (r == 0)
    r = remove_checkpoints (domain, why);
  if (r == 0)
    r = undo_interrupted (domain, false, why);
  if (r < 0)
    return r;
  catalog_close (domain->catalog);
  domain->catalog = NULL;
  if (unlink (domain->paths.registration) < 0 && errno != ENOENT)
    return failure_set (why, FAILURE_STORAGE, errno, "cannot remove %s: %s",
                        domain->paths.registration, g_strerror (errno));
  backup_forget (&domain->paths.backup);
  (void) unlink (domain->paths.history);
  domain_folders_remove (&domain->paths);
  domain->removed = true;
  return 0;
}

int
requests_domain_remove (struct domain_registry *registry,
                        const struct arguments_domain_remove *given,
                        json_object **result, struct failure *why)
{
  struct domain *domain;
  int r = domain_registry_take (registry, given->name, &domain, why);

  if (r < 0)
    return r;
  r = domain_run (domain, "domain-remove", DOMAIN_QUICK, remove_in_thread,
                  (void *) given, why);
  /* Once only: who comes later is told that it is being closed. */
  if (r == 0) {
    domain_registry_remove (registry, domain);
    /* Who asks after the event does not find it. */
    domain_emit_data (domain, "DOMAIN_REMOVED", NULL);
    *result = json_object_new_object ();
  }
  domain_registry_release (registry, domain);
  return r;
}
