/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mark: no-valgrind (which would have to do what is refused) */
/* What a confined gateway can still do, and what not: each is tried. */
#include <config.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway-confine.h"

#define OTHER_USER "64123"

static char folder[] = "/tmp/test-confine-XXXXXX";

static void *
idle_thread (void *opaque)
{
  return opaque;
}

/* As the view's: in a folder that others may only pass through. */
static int
listen_in_folder (void)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM, 0);

  snprintf (address.sun_path, sizeof address.sun_path, "%s/view.sock", folder);
  assert (fd >= 0);
  assert (bind (fd, (struct sockaddr *) &address, sizeof address) == 0);
  assert (listen (fd, 8) == 0);
  assert (chmod (address.sun_path, 0666) == 0);
  assert (chmod (folder, 0711) == 0);
  return fd;
}

static void
connects (const char *name)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM, 0);

  assert (fd >= 0);
  assert (strlen (name) < sizeof address.sun_path);
  strcpy (address.sun_path, name);
  assert (connect (fd, (struct sockaddr *) &address, sizeof address) == 0);
  close (fd);
}

static void
starts_threads (void)
{
  pthread_t thread;

  assert (pthread_create (&thread, NULL, idle_thread, NULL) == 0);
  assert (pthread_join (thread, NULL) == 0);
}

#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__
static void
refused (const char *what, long result)
{
  if (result != -1 || errno != EPERM) {
    fprintf (stderr, "%s: %ld, %s\n", what, result, strerror (errno));
    _exit (1);
  }
}

static void
cannot_do_more (bool unlinks)
{
  char *const words[] = { (char *) "true", NULL };
  struct stat st;

  refused ("open", open ("/etc/passwd", O_RDONLY));
  refused ("create", open ("made", O_WRONLY | O_CREAT, 0600));
  refused ("exec", execv ("/bin/true", words));
  refused ("fork", fork ());
  refused ("inet", socket (AF_INET, SOCK_STREAM, 0));
  refused ("netlink", socket (AF_NETLINK, SOCK_RAW, 0));
  refused ("kill", kill (getppid (), 0));
  refused ("ptrace", ptrace (PTRACE_ATTACH, getppid (), 0, 0));
  refused ("setuid", setuid (0));
  refused ("chmod", chmod (".", 0777));
  refused ("code", mmap (NULL, 4096, PROT_READ | PROT_EXEC,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
                   ? -1 : 0);
  if (unlinks)
    assert (lstat ("none", &st) < 0 && errno == ENOENT);
  else
    refused ("unlink", unlink ("none"));
}
#else
static void
cannot_do_more (bool unlinks)
{
}
#endif

static void
in_child (const struct gateway_confine *how)
{
  char path[128], server[128];
  struct route route = { .server = server };
  struct routes routes = { .upstream = path, .items = &route, .count = 1 };
  struct failure why = { .error = 0 };
  pid_t pid = fork ();
  int status;

  assert (pid >= 0);
  if (pid == 0) {
    snprintf (path, sizeof path, "%s/view.sock", folder);
    snprintf (server, sizeof server, "%s/storage.sock", folder);
    if (gateway_confine (how, &routes, &why) < 0) {
      fprintf (stderr, "%s\n", why.text);
      _exit (1);
    }
    connects (routes.upstream);
    starts_threads ();
    assert (how->user == NULL || getuid () == 64123);
    assert (how->user == NULL || strcmp (routes.upstream, "view.sock") == 0);
    assert (how->user == NULL || strcmp (server, "storage.sock") == 0);
    cannot_do_more (how->unlinks);
    _exit (0);
  }
  assert (waitpid (pid, &status, 0) == pid);
  assert (WIFEXITED (status) && WEXITSTATUS (status) == 0);
}

static void
unknown_user_is_refused (void)
{
  const struct gateway_confine how = { .user = "no-such-user" };
  struct routes routes = { .upstream = NULL };
  char path[] = "view.sock";
  struct failure why = { .error = 0 };

  routes.upstream = path;
  assert (gateway_confine (&how, &routes, &why) == -ENOENT);
  assert (strstr (why.text, "no-such-user") != NULL);
}

/* The user may not pass through the folders above it. */
static void
server_elsewhere_is_refused (void)
{
  const struct gateway_confine how = { .user = OTHER_USER };
  char path[] = "/run/a/view.sock", server[] = "/run/b/storage.sock";
  struct route route = { .server = server };
  struct routes routes = { .upstream = path, .items = &route, .count = 1 };
  struct failure why = { .error = 0 };

  assert (gateway_confine (&how, &routes, &why) == -EINVAL);
  assert (strstr (why.text, "/run/b/storage.sock") != NULL);
}

int
main (void)
{
  int fd;

  assert (mkdtemp (folder) != NULL);
  fd = listen_in_folder ();
  unknown_user_is_refused ();
  server_elsewhere_is_refused ();
  in_child (&(struct gateway_confine) { .user = NULL });
  in_child (&(struct gateway_confine) { .unlinks = true });
  if (geteuid () == 0)
    in_child (&(struct gateway_confine) { .user = OTHER_USER });
  close (fd);
  assert (chdir (folder) == 0);
  assert (unlink ("view.sock") == 0);
  assert (rmdir (folder) == 0);
  return 0;
}
