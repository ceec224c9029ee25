/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Nodes are given from below to the top.  The monitor comes last, so that all is there when
 * somebody can connect to it.
 *
 * When it closes an image it complains of what it could not write, but ends with 0: so it is
 * asked to flush before, which fails where that would.  After that only bitmaps are left to
 * write, and those that were not stay marked as in use.  So it does not matter, either, that
 * nobody is told the status of one that was taken over. */
#include <config.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <libnbd.h>

#include "deadline.h"
#include "file-identity.h"
#include "json-members.h"
#include "restore-storage-daemon.h"

#define WAIT_MS 20

/* Buffers of writes, which gateway-budget.h makes no larger than 1 MiB, are not mapped one by one,
 * and 64 MiB that nobody uses are kept. */
char *const restore_storage_daemon_variables[] = {
  "MALLOC_MMAP_THRESHOLD_=4194304", "MALLOC_TRIM_THRESHOLD_=67108864", NULL
};

/* --- arguments ---------------------------------------------------------------- */

struct arguments {
  GPtrArray *argv;
  GArray *fds;
};

static void
add (const struct arguments *arguments, const char *option, const char *value)
{
  g_ptr_array_add (arguments->argv, g_strdup (option));
  g_ptr_array_add (arguments->argv, g_strdup (value));
}

/* Takes it over. */
static void
add_node (const struct arguments *arguments, json_object *node)
{
  add (arguments, "--blockdev", json_object_to_json_string (node));
  json_object_put (node);
}

static bool
is_block (int fd)
{
  struct stat st;

  return fstat (fd, &st) == 0 && S_ISBLK (st.st_mode);
}

/* The file of a node NAME, which is "NAME-file".  One that is written is ours to lock. */
static void
add_file (const struct arguments *arguments, const char *name, int fd,
          bool writable)
{
  json_object *node = json_with ("driver", is_block (fd) ? "host_device"
                                                         : "file");
  g_autofree char *file = g_strconcat (name, "-file", NULL);
  g_autofree char *path = g_strdup_printf ("/proc/self/fd/%u",
                                           PROCESS_CHILD_MORE + arguments->fds->len);

  json_add_string (node, "node-name", file);
  json_add_string (node, "filename", path);
  json_add_bool (node, "read-only", !writable);
  json_add_string (node, "discard", "unmap");
  if (writable)
    json_add_string (node, "locking", "off");
  add_node (arguments, node);
  g_array_append_val (arguments->fds, fd);
}

/* BACKING is the node below; NULL: none, whatever the image says. */
static void
add_format (const struct arguments *arguments, const char *name,
            const char *format, const char *backing, bool writable)
{
  json_object *node = json_with ("driver", format);
  g_autofree char *file = g_strconcat (name, "-file", NULL);

  json_add_string (node, "node-name", name);
  json_add_string (node, "file", file);
  json_add_bool (node, "read-only", !writable);
  json_add_string (node, "discard", "unmap");
  if (backing != NULL)
    json_add_string (node, "backing", backing);
  /* The other formats have none, and QEMU no such option for them. */
  else if (strcmp (format, "qcow2") == 0)
    json_object_object_add (node, "backing", NULL);
  add_node (arguments, node);
}

/* The name of what is below NODE, by its SOURCE; g_free. */
static char *
add_source (const struct arguments *arguments, const char *node,
            const struct restore_source *source)
{
  json_object *remote = restore_source_node (source);
  char *below = NULL;

  if (remote != NULL) {
    below = g_strdup_printf ("%s-source", node);
    json_add_string (remote, "node-name", below);
    add_node (arguments, remote);
  }
  for (size_t n = restore_source_n_files (source); n-- > 0;) {
    char *name = g_strdup_printf ("%s-source%zu", node, n);

    add_file (arguments, name, restore_source_fd (source, n), false);
    add_format (arguments, name, restore_source_fd_format (source, n), below,
                false);
    g_free (below);
    below = name;
  }
  return below;
}

static void
add_export (const struct arguments *arguments, size_t i,
            const struct restore_storage_export *export)
{
  const struct restore_target *target = export->target;
  g_autofree char *node = restore_storage_daemon_node (i);
  g_autofree char *below = export->source == NULL ? NULL
                           : add_source (arguments, node, export->source);
  int lock = restore_target_lock_fd (target);
  json_object *nbd = json_with ("type", "nbd");

  for (size_t n = restore_target_n_backing (target); n-- > 0;) {
    char *name = g_strdup_printf ("%s-backing%zu", node, n);

    add_file (arguments, name, restore_target_backing_fd (target, n), false);
    add_format (arguments, name, restore_target_backing_format (target, n),
                below, false);
    g_free (below);
    below = name;
  }
  add_file (arguments, node, restore_target_io_fd (target), true);
  add_format (arguments, node, restore_target_format (target), below, true);
  json_add_string (nbd, "id", node);
  json_add_string (nbd, "node-name", node);
  json_add_string (nbd, "name", export->disk);
  json_add_bool (nbd, "writable", true);
  add (arguments, "--export", json_object_to_json_string (nbd));
  json_object_put (nbd);
  /* Only that it lasts as long as the process. */
  g_array_append_val (arguments->fds, lock);
}

char *
restore_storage_daemon_node (size_t n)
{
  return g_strdup_printf ("disk%zu", n);
}

/* With a comma of the path doubled, as QEMU has it. */
char *
restore_storage_daemon_mark (const char *monitor)
{
  g_auto (GStrv) parts = g_strsplit (monitor, ",", -1);
  g_autofree char *path = g_strjoinv (",,", parts);

  return g_strdup_printf ("socket,id=monitor,path=%s,server=on,wait=off", path);
}

void
restore_storage_daemon_arguments (const struct restore_storage_export *exports,
                                  size_t n, const char *monitor,
                                  GPtrArray *argv, GArray *fds)
{
  const struct arguments arguments = { argv, fds };
  g_autofree char *mark = restore_storage_daemon_mark (monitor);

  g_ptr_array_add (argv, g_strdup (RESTORE_STORAGE_DAEMON));
  add (&arguments, "--nbd-server", "addr.type=fd,addr.str=3");
  for (size_t i = 0; i < n; i++)
    add_export (&arguments, i, &exports[i]);
  add (&arguments, "--chardev", mark);
  add (&arguments, "--monitor", "chardev=monitor");
}

/* --- its beginning -------------------------------------------------------------- */

/* -1: nobody listens there. */
static int
connect_to (const char *path)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  if (fd < 0)
    return -1;
  if (strlen (path) < sizeof address.sun_path) {
    strcpy (address.sun_path, path);
    if (connect (fd, (struct sockaddr *) &address, sizeof address) == 0)
      return fd;
  }
  close (fd);
  return -1;
}

/* Has it said a first byte?  Waits for that a little. */
static bool
greets (int fd)
{
  struct pollfd one = { .fd = fd, .events = POLLIN };
  char byte;

  if (poll (&one, 1, WAIT_MS) != 1)
    return false;
  if (recv (fd, &byte, 1, MSG_DONTWAIT) == 1)
    return true;
  poll (NULL, 0, WAIT_MS);
  return false;
}

static int
end_failure (struct process_end end, const char *what, struct failure *why)
{
  if (end.unknown)
    return failure_set (why, FAILURE_BROKEN, ECHILD, RESTORE_STORAGE_DAEMON
                        " has ended: %s", what);
  return failure_set (why, FAILURE_BROKEN, ECHILD, RESTORE_STORAGE_DAEMON
                      " ended with %s %d: %s", end.by_signal ? "signal"
                      : "status", end.number, what);
}

/* It listens from its beginning, but says nothing before all arguments are done.  The monitor is
 * left alone: QEMU 7.2 may abort where somebody comes and goes there as it begins. */
int
restore_storage_daemon_wait (struct process_child *child, const char *socket,
                             int64_t deadline, struct failure *why)
{
  CLEANUP_FD int fd = connect_to (socket);

  while (!greets (fd)) {
    struct process_child_status status = process_child_status (child);

    if (status.failed)
      return end_failure (status.end, "what it complained of is in the log of "
                          "the daemon", why);
    if (ms_left (deadline) == 0)
      return failure_set (why, FAILURE_TIMEOUT, ETIMEDOUT,
                          RESTORE_STORAGE_DAEMON " does not open the images");
  }
  return 0;
}

/* Is FILE, of /proc/PID/fd, on none of those that were given? */
static bool
is_stranger (const char *file, const int *fds, size_t n)
{
  struct stat st, given;

  if (stat (file, &st) < 0 || !(S_ISREG (st.st_mode) || S_ISBLK (st.st_mode)))
    return false;
  for (size_t i = 0; i < n; i++)
    if (fstat (fds[i], &given) == 0 && file_identity_same (&st, &given))
      return false;
  return true;
}

int
restore_storage_daemon_check (struct process_child *child, const int *fds,
                              size_t n, struct failure *why)
{
  g_autofree char *folder =
    g_strdup_printf ("/proc/%d/fd", (int) process_child_status (child).pid);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *number;

  if (dir == NULL)
    return failure_set (why, FAILURE_GENERIC, ESRCH, "which files "
                        RESTORE_STORAGE_DAEMON " has open cannot be seen");
  while ((number = g_dir_read_name (dir)) != NULL) {
    g_autofree char *file = g_build_filename (folder, number, NULL);
    g_autofree char *target = NULL;

    /* Those up to 2 are where it complains. */
    if (atoi (number) <= STDERR_FILENO || !is_stranger (file, fds, n))
      continue;
    target = g_file_read_link (file, NULL);
    return failure_set (why, FAILURE_BAD_ARGUMENT, EXDEV, "an image leads to "
                        "another file now, %s: somebody has changed its header "
                        "since it was looked at", target != NULL ? target
                        : "which is gone");
  }
  return 0;
}

/* --- its end ---------------------------------------------------------------------- */

static int
nbd_failure (const char *disk, struct failure *why)
{
  int error = nbd_get_errno ();
  const char *said = nbd_get_error ();

  return failure_set (why, FAILURE_STORAGE, error != 0 ? error : EIO, "what was "
                      "written to disk %s cannot be flushed: %s", disk,
                      said != NULL ? said : "unknown");
}

static int
timeout (const char *disk, struct failure *why)
{
  return failure_set (why, FAILURE_TIMEOUT, ETIMEDOUT, "disk %s takes too long "
                      "to be flushed", disk);
}

/* Until IS_OVER says so: 1, or -1 where it has failed. */
static int
go_on (struct nbd_handle *nbd, int (*is_over) (struct nbd_handle *, int64_t),
       int64_t cookie, const char *disk, int64_t deadline, struct failure *why)
{
  int r;

  while ((r = is_over (nbd, cookie)) == 0)
    if (nbd_poll (nbd, ms_left (deadline)) < 0)
      return nbd_failure (disk, why);
    else if (ms_left (deadline) == 0)
      return timeout (disk, why);
  return r < 0 ? nbd_failure (disk, why) : 0;
}

static int
is_connected (struct nbd_handle *nbd, int64_t unused)
{
  (void) unused;
  return nbd_aio_is_connecting (nbd) ? 0 : nbd_aio_is_ready (nbd) ? 1 : -1;
}

static int
is_flushed (struct nbd_handle *nbd, int64_t cookie)
{
  return nbd_aio_command_completed (nbd, (uint64_t) cookie);
}

static int
flush_by (struct nbd_handle *nbd, const char *socket, const char *disk,
          int64_t deadline, struct failure *why)
{
  int64_t cookie;
  int r;

  if (nbd_set_export_name (nbd, disk) < 0 ||
      nbd_aio_connect_unix (nbd, socket) < 0)
    return nbd_failure (disk, why);
  r = go_on (nbd, is_connected, 0, disk, deadline, why);
  if (r < 0)
    return r;
  cookie = nbd_aio_flush (nbd, NBD_NULL_COMPLETION, 0);
  if (cookie < 0)
    return nbd_failure (disk, why);
  return go_on (nbd, is_flushed, cookie, disk, deadline, why);
}

static int
flush (const char *socket, const char *disk, int64_t deadline,
       struct failure *why)
{
  struct nbd_handle *nbd = nbd_create ();
  int r = nbd == NULL ? nbd_failure (disk, why)
          : flush_by (nbd, socket, disk, deadline, why);

  nbd_close (nbd);
  return r;
}

int
restore_storage_daemon_finish (struct process_child *child, const char *socket,
                               const char *const *disks, size_t n,
                               int64_t deadline, struct failure *why)
{
  struct process_child_status status = process_child_status (child);
  struct process_end end;
  int r = 0;

  if (status.failed)
    return end_failure (status.end, "what it held back of the images is lost",
                        why);
  for (size_t i = 0; i < n && r == 0; i++)
    r = flush (socket, disks[i], deadline, why);
  if (r < 0)
    return r;
  if (process_child_end (child, deadline, &end) < 0)
    return failure_set (why, FAILURE_TIMEOUT, ETIMEDOUT, RESTORE_STORAGE_DAEMON
                        " takes too long to write back what it holds");
  /* How one has ended that an earlier daemon has started nobody is told. */
  if (!end.unknown && (end.by_signal || end.number != 0))
    return end_failure (end, "what it held back of the images may be lost",
                        why);
  return 0;
}
