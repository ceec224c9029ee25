/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Three folders, because they want three kinds of storage: STATE must last, RUNTIME
 * is in memory and partly QEMU's, SCRATCH is large and may be shared by daemons.
 * All names are made here, once; who needs a file takes its name from
 * struct domain_paths. */
#include <config.h>

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>

#include "domain-folders.h"
#include "file.h"
#include "late-error.h"
#include "log.h"
#include "qmp-peer.h"
#include "socket.h"

/* The longest file name in RUNTIME/DOMAIN that is a socket. */
#define LONGEST_SOCKET "/qemu/nbd.sock"
/* In SCRATCH/DOMAIN, a symbolic link: made at once or not at all, it says "UUID
 * STATE" of the one state folder whose daemon writes there.  It stays when that
 * daemon is killed, whose sink goes on. */
#define OWNER_LINK ".owner"
#define UUID_LENGTH 36

/* --- their names ----------------------------------------------------- */

static const char *
join (const struct domain_paths *paths, const char *folder, const char *name)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);

  return g_string_chunk_insert (paths->strings, path);
}

void
domain_paths_init (struct domain_paths *paths,
                   const struct domain_folders *folders, const char *name)
{
  g_autofree char *socket = g_strconcat (name, ".sock", NULL);
  g_autofree char *owner =
    g_strdup_printf ("%s %s", folders->identity, folders->state);

  paths->strings = g_string_chunk_new (512);
  paths->state = join (paths, folders->state, name);
  paths->catalog = join (paths, paths->state, "checkpoints");
  paths->registration = join (paths, paths->state, "domain.json");
  paths->history = join (paths, paths->state, "history");
  paths->owner = g_string_chunk_insert (paths->strings, owner);
  paths->backup = (struct backup_paths) {
    .private_folder = join (paths, folders->runtime, name),
    .client_socket = join (paths, folders->runtime, socket),
    .scratch_folder = join (paths, folders->scratch, name),
    .maps_folder =
      join (paths, join (paths, folders->runtime, ".maps"), name),
    .scratch_limit = folders->scratch_limit,
    .sink_limit_ms = folders->sink_limit_ms,
    .sink_wait = folders->sink_wait,
    .gateway = folders->gateway,
    .pace_folder = join (paths, folders->runtime, ".pace"),
    .max_rate = folders->max_rate,
    .pace_floor = folders->pace_floor,
    .journal = join (paths, paths->state, "job.json"),
    .quiesce_journal = join (paths, paths->state, "quiesce.json")
  };
}

void
domain_paths_clear (struct domain_paths *paths)
{
  g_string_chunk_free (paths->strings);
}

/* --- the folders ----------------------------------------------------- */

/* PATH as a folder we can write to.  WHAT: "state", for sentences. */
static int
make_folder (const char *what, const char *path, struct failure *why)
{
  struct stat st;
  /* Looked for first: to make it would wait where storage hangs. */
  int r = lstat (path, &st) < 0 ? file_make_folder (path, 0700) : 0;

  if (r < 0)
    return failure_set (why, FAILURE_STORAGE, -r,
                        "cannot create the %s folder %s: %s", what, path,
                        g_strerror (-r));
  if (lstat (path, &st) < 0)
    return failure_set (why, FAILURE_STORAGE, errno,
                        "cannot look at the %s folder %s: %s", what, path,
                        g_strerror (errno));
  if (!S_ISDIR (st.st_mode))
    return failure_set (why, FAILURE_STORAGE, ENOTDIR,
                        "%s is in the way of the %s folder", path, what);
  if (access (path, W_OK | X_OK) < 0)
    return failure_set (why, FAILURE_STORAGE, errno,
                        "the %s folder %s is not writable: %s", what, path,
                        g_strerror (errno));
  return 0;
}

int
domain_folders_state (const struct domain_paths *paths, struct failure *why)
{
  return make_folder ("state", paths->state, why);
}

int
domain_folders_check (const struct domain_paths *paths, struct failure *why)
{
  if (strlen (paths->backup.private_folder) + strlen (LONGEST_SOCKET) <=
      SOCKET_PATH_MAX)
    return 0;
  return failure_set (why, FAILURE_BAD_ARGUMENT, ENAMETOOLONG,
                      "the path %s is too long for a socket in it: use a "
                      "shorter runtime folder or domain name",
                      paths->backup.private_folder);
}

/* The socket that QEMU makes itself is in a folder that it owns. */
static int
make_qemus_folder (const struct domain_paths *paths, struct qmp *qmp,
                   struct failure *why)
{
  g_autofree char *folder = g_strconcat (paths->backup.private_folder, "/qemu", NULL);
  uid_t uid;
  gid_t gid;
  pid_t pid;
  int r = make_folder ("runtime", folder, why);

  if (r < 0 || geteuid () != 0)
    return r;
  r = qmp_peer (qmp, &uid, &gid, &pid);
  return r == 0 && lchown (folder, uid, gid) < 0 ? -errno : r;
}

/* QEMU's user may pass through the private folder, to the sink's socket, as may the
 * gateway's.  It owns nothing that we change or trust: QEMU may have been taken
 * over by its guest.  One that reaches a folder of its own alone has nothing here. */
static int
share_with_qemu (const struct domain_paths *paths, struct qmp *qmp,
                 struct failure *why)
{
  int r = qmp_folder (qmp) != NULL ? 0 : make_qemus_folder (paths, qmp, why);

  if (r == 0 && geteuid () == 0 &&
      chmod (paths->backup.private_folder, 0711) < 0)
    r = -errno;
  return r == 0 ? 0 :
    failure_set (why, FAILURE_STORAGE, -r, "cannot share the runtime folder %s "
                 "with QEMU's user: %s", paths->backup.private_folder,
                 g_strerror (-r));
}

/* Two daemons would put the old data of two machines into one file. */
static int
own_scratch (const struct domain_paths *paths, struct failure *why)
{
  const char *folder = paths->backup.scratch_folder;
  g_autofree char *link = g_build_filename (folder, OWNER_LINK, NULL);
  g_autofree char *owner = g_file_read_link (link, NULL);

  /* Looked for first, as in make_folder. */
  if (owner == NULL && symlink (paths->owner, link) == 0)
    return 0;
  if (owner == NULL && errno != EEXIST)
    return failure_set (why, FAILURE_STORAGE, errno,
                        "cannot make %s: %s", link, g_strerror (errno));
  if (owner == NULL)
    owner = g_file_read_link (link, NULL);
  if (owner != NULL && strncmp (owner, paths->owner, UUID_LENGTH) == 0)
    return 0;
  return failure_set (why, FAILURE_BUSY, EBUSY,
                      "the scratch folder %s belongs to the pullback-backupd "
                      "of the state folder %s: give each daemon a scratch "
                      "folder of its own, or remove %s if that one is no more",
                      folder, owner != NULL && strlen (owner) > UUID_LENGTH
                      ? owner + UUID_LENGTH + 1 : "(unknown)", folder);
}

static void
disown_scratch (const struct domain_paths *paths)
{
  g_autofree char *link =
    g_build_filename (paths->backup.scratch_folder, OWNER_LINK, NULL);
  g_autofree char *owner = g_file_read_link (link, NULL);

  if (owner != NULL && strncmp (owner, paths->owner, UUID_LENGTH) == 0)
    (void) unlink (link);
}

int
domain_folders_backup (const struct domain_paths *paths, struct qmp *qmp,
                       struct failure *why)
{
  g_autofree char *scratch =
    g_path_get_dirname (paths->backup.scratch_folder);
  g_autofree char *maps = g_path_get_dirname (paths->backup.maps_folder);
  struct stat st;
  int r;

  /* An operator's scratch folder that is missing is a file system that is not
   * mounted: do not make one. */
  if (stat (scratch, &st) < 0)
    return failure_set (why, FAILURE_STORAGE, errno,
                        "the scratch folder %s cannot be used: %s",
                        scratch, g_strerror (errno));
  r = make_folder ("scratch", paths->backup.scratch_folder, why);
  if (r == 0)
    r = own_scratch (paths, why);
  if (r == 0)
    r = make_folder ("runtime", paths->backup.private_folder, why);
  if (r == 0)
    r = make_folder ("maps", maps, why);
  if (r == 0)
    r = make_folder ("maps", paths->backup.maps_folder, why);
  if (r == 0)
    r = make_folder ("pace", paths->backup.pace_folder, why);
  if (r == 0 && late_error_is_hidden (paths->backup.maps_folder))
    log_warning ("the runtime folder %s is on overlayfs, which does not tell what "
                 "its storage loses: put it in memory (tmpfs)",
                 maps);
  return r < 0 ? r : share_with_qemu (paths, qmp, why);
}

void
domain_folders_remove (const struct domain_paths *paths)
{
  g_autofree char *qemu = g_strconcat (paths->backup.private_folder, "/qemu", NULL);
  const char *const folders[] = { qemu, paths->backup.private_folder,
                                  paths->backup.maps_folder,
                                  paths->backup.scratch_folder,
                                  paths->catalog,
                                  paths->state };
  size_t i;

  disown_scratch (paths);
  for (i = 0; i < G_N_ELEMENTS (folders); i++)
    (void) rmdir (folders[i]);
}
