/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "control-commands.h"
#include "domain-ending.h"
#include "domain-folders.h"
#include "domain-recovery.h"
#include "domain-requests.h"

#define NAMES_SHOWN 8

/* The names of checkpoint files, also where the catalog cannot be read; the
 * first few of them in NAMES. */
static size_t
count_checkpoints (const struct domain *domain, GString *names)
{
  GDir *folder = g_dir_open (domain->paths.catalog, 0, NULL);
  const char *name;
  size_t n = 0;

  g_string_truncate (names, 0);
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

static int
check_removable (struct domain *domain, bool metadata, struct failure *why)
{
  const char *name = domain->registration->name;
  g_autoptr (GString) names = g_string_new (NULL);
  size_t n = count_checkpoints (domain, names);
  int r = domain_backup_finish (domain, why);

  if (r < 0)
    return r;
  if (domain->backup != NULL)
    return failure_set (why, FAILURE_BUSY, EBUSY,
                        "a backup of %s is running; commit or abort it first",
                        name);
  if (domain->recovery_due) {
    r = domain_connect (domain, why);
    if (domain->recovery_due)
      return r < 0 ? r : -EBUSY;
    if (r < 0 && why != NULL)
      why->error = 0;
    n = count_checkpoints (domain, names);
  }
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
int
domain_request_remove (struct domain *domain, json_object *arguments,
                       json_object **result, struct failure *why)
{
  bool metadata = control_get_bool (arguments, "checkpoints-metadata");
  int r = check_removable (domain, metadata, why);

  if (r == 0)
    r = remove_checkpoints (domain, why);
  if (r < 0)
    return r;
  catalog_close (domain->catalog);
  domain->catalog = NULL;
  if (unlink (domain->paths.registration) < 0 && errno != ENOENT)
    return failure_set (why, FAILURE_STORAGE, errno, "cannot remove %s: %s",
                        domain->paths.registration, g_strerror (errno));
  backup_forget (&domain->paths.backup);
  domain_folders_remove (&domain->paths);
  domain->removed = true;
  *result = json_object_new_object ();
  return 0;
}
