/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* process-visit.c: what a folder's owner puts there harms nobody but him. */
#include <config.h>

#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process-label.h"
#include "process-sockets.h"
#include "process-visit.h"
#include "socket.h"

#define USER 65534

static char top[] = "/tmp/test-process-visit-XXXXXX";

static const char *
in_top (const char *name)
{
  static char paths[4][200];
  static unsigned n;
  char *path = paths[n++ % 4];

  snprintf (path, sizeof paths[0], "%s/%s", top, name);
  return path;
}

static void
make_folder (const char *name, uid_t uid, gid_t gid, mode_t mode)
{
  assert (mkdir (in_top (name), 0700) == 0);
  assert (chown (in_top (name), uid, gid) == 0);
  assert (chmod (in_top (name), mode) == 0);
}

static void
make_file (const char *name)
{
  int fd = open (in_top (name), O_CREAT | O_WRONLY | O_EXCL, 0600);

  assert (fd >= 0 && write (fd, "kept", 4) == 4 && close (fd) == 0);
}

static void
check_kept (const char *name)
{
  struct stat st;

  assert (lstat (in_top (name), &st) == 0 && S_ISREG (st.st_mode) &&
          st.st_uid == 0 && st.st_size == 4 && (st.st_mode & 0777) == 0600);
}

static struct process_place
place_of (const char *path)
{
  return (struct process_place) { .socket = path, .uid = USER, .gid = USER,
                                  .theirs = true };
}

static void
check_listens (const char *name)
{
  const struct process_place place = place_of (in_top (name));
  struct failure why = { .error = 0 };
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  socklen_t length = sizeof address;
  struct stat st;
  int fd = -1, other = -1;

  assert (process_listen (&place, &fd, &why) == 0);
  assert (lstat (place.socket, &st) == 0 && S_ISSOCK (st.st_mode) &&
          st.st_uid == USER && st.st_gid == USER &&
          (st.st_mode & 07777) == 0600);
  assert (getsockname (fd, (struct sockaddr *) &address, &length) == 0 &&
          strcmp (address.sun_path, process_listen_name (&place)) == 0);
  assert (socket_connect_unix (place.socket, 0, &other) == 0);
  close (other);
  close (fd);
  assert (process_visit_remove (&place) == 0);
  assert (process_visit_remove (&place) == -ENOENT);
}

static void
check_refused (const char *name, int error, const char *word)
{
  const struct process_place place = place_of (in_top (name));
  struct failure why = { .error = 0 };
  int fd = -1, r = process_listen (&place, &fd, &why);

  if (r != -error || strstr (why.text, word) == NULL)
    fprintf (stderr, "%s: %d, %s\n", name, r, why.text);
  assert (r == -error && fd == -1 && strstr (why.text, word) != NULL);
}

/* Whatever has the name there. */
static void
test_in_the_way (void)
{
  make_file ("kept");
  check_listens ("theirs/s");
  assert (symlink (in_top ("kept"), in_top ("theirs/s")) == 0);
  check_listens ("theirs/s");
  assert (symlink (in_top ("none"), in_top ("theirs/s")) == 0);
  check_listens ("theirs/s");
  assert (access (in_top ("none"), F_OK) < 0);
  assert (link (in_top ("kept"), in_top ("theirs/s")) == 0);
  check_listens ("theirs/s");
  assert (mkfifo (in_top ("theirs/s"), 0666) == 0);
  check_listens ("theirs/s");
  check_kept ("kept");
  make_folder ("theirs/s", 0, 0, 0755);
  check_refused ("theirs/s", EISDIR, "Is a directory");
  assert (rmdir (in_top ("theirs/s")) == 0);
}

static void
test_folders (void)
{
  char name[SOCKET_PATH_MAX + 2];

  make_folder ("open", USER, USER, 0777);
  check_refused ("open/s", EACCES, "may write to it");
  make_folder ("group", USER, 0, 0770);
  check_refused ("group/s", EACCES, "may write to it");
  make_folder ("own-group", USER, USER, 0770);
  check_listens ("own-group/s");
  make_folder ("other", 1, 1, 0755);
  check_refused ("other/s", EACCES, "may write to it");
  /* Not with our rights. */
  make_folder ("roots", 0, 0, 0755);
  check_refused ("roots/s", EACCES, "Permission denied");
  assert (symlink ("theirs", in_top ("link")) == 0);
  check_refused ("link/s", ENOTDIR, "Not a directory");
  check_refused ("none/s", ENOENT, "No such file");
  memset (name, 'n', sizeof name - 1);
  memcpy (name, "theirs/", 7);
  name[sizeof name - 1] = '\0';
  check_refused (name, ENAMETOOLONG, "bytes");
}

/* The owner of what is above a folder may lead us anywhere. */
static void
test_led_astray (void)
{
  struct process_place place;

  make_folder ("theirs/sub", USER, USER, 0755);
  make_file ("roots/s");
  assert (rename (in_top ("theirs/sub"), in_top ("theirs/old")) == 0);
  assert (symlink ("../roots", in_top ("theirs/sub")) == 0);
  place = place_of (in_top ("theirs/sub/s"));
  assert (process_visit_remove (&place) == -ENOTDIR);
  assert (symlink ("..", in_top ("theirs/up")) == 0);
  place = place_of (in_top ("theirs/up/roots/s"));
  assert (process_visit_remove (&place) == -EACCES);
  check_refused ("theirs/up/roots/s", EACCES, "Permission denied");
  check_kept ("roots/s");
}

/* Where there is no SELinux nobody has a label, and one that cannot be had is no reason not
 * to listen. */
static void
test_label (void)
{
  struct process_place place = place_of (in_top ("theirs/s"));
  struct failure why = { .error = 0 };
  int fd = -1;

  assert (process_label_of (getpid ()) == NULL);
  place.label = "system_u:system_r:svirt_t:s0:c1,c2";
  assert (process_listen (&place, &fd, &why) == 0);
  assert (process_visit_remove (&place) == 0);
  close (fd);
  place.theirs = false;
  place.socket = in_top ("roots/labelled");
  assert (process_listen (&place, &fd, &why) == 0);
  process_listen_remove (&place);
  close (fd);
}

/* Another user's process, which listens on a socket called NAME elsewhere and connects to
 * it; it ends when the write end of the pipe is closed. */
static pid_t
start_namesake (const char *name, int *keep)
{
  int ready[2], until[2], fd = -1, client = -1, server;
  char byte = 0;
  pid_t pid;

  assert (pipe (ready) == 0 && pipe (until) == 0);
  pid = fork ();
  assert (pid >= 0);
  if (pid == 0) {
    close (until[1]);
    assert (chdir (in_top ("other")) == 0 && setgid (1) == 0 &&
            setuid (1) == 0);
    assert (socket_listen_unix (name, &fd) == 0);
    assert (socket_connect_unix (name, 0, &client) == 0);
    server = accept (fd, NULL, NULL);
    assert (server >= 0 && write (ready[1], "", 1) == 1);
    (void) !read (until[0], &byte, 1);
    _exit (0);
  }
  close (until[0]);
  assert (read (ready[0], &byte, 1) == 1);
  close (ready[0]);
  close (ready[1]);
  *keep = until[1];
  return pid;
}

/* Only the last part of a path tells whose a socket is, and that anybody may have. */
static void
test_namesake (void)
{
  const struct process_place place = place_of (in_top ("theirs/s"));
  const char *name = process_listen_name (&place);
  struct failure why = { .error = 0 };
  int keep, fd = -1, client = -1, server;
  pid_t pid = start_namesake (name, &keep);

  assert (process_sockets_listens (getpid (), name));
  assert (!process_sockets_we_listen (name));
  assert (process_sockets_connected (0, name) == 0);
  assert (process_listen (&place, &fd, &why) == 0);
  assert (process_sockets_we_listen (name));
  assert (process_sockets_connected (0, name) == 0);
  assert (socket_connect_unix (place.socket, 0, &client) == 0);
  server = accept (fd, NULL, NULL);
  assert (server >= 0 && process_sockets_connected (0, name) == 1);
  process_listen_remove (&place);
  close (server);
  close (client);
  close (fd);
  close (keep);
  assert (waitpid (pid, NULL, 0) == pid);
}

/* All that is done there is the thread's alone. */
static void
test_nothing_stays (void)
{
  char folder[4096];
  struct stat st;

  assert (getcwd (folder, sizeof folder) != NULL && strcmp (folder, "/") == 0);
  make_file ("ours");
  assert (lstat (in_top ("ours"), &st) == 0 && st.st_uid == 0 &&
          st.st_gid == 0);
}

int
main (void)
{
  char command[200];

  if (geteuid () != 0) {
    printf ("only root goes to folders of other users\n");
    return 77;
  }
  assert (chdir ("/") == 0 && mkdtemp (top) != NULL && chmod (top, 0755) == 0);
  make_folder ("theirs", USER, USER, 0755);
  test_in_the_way ();
  test_folders ();
  test_led_astray ();
  test_namesake ();
  if (access ("/sys/fs/selinux/enforce", F_OK) < 0)
    test_label ();
  test_nothing_stays ();
  snprintf (command, sizeof command, "rm -r %s", top);
  return system (command) == 0 ? 0 : 1;
}
