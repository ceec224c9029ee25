/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An accepted socket has the name of the listening one.  It is first shut down,
 * which wakes nbdkit's threads that wait for it.  nbdkit closes it only when all
 * threads of the connection have ended, and one of them hangs: therefore it
 * then makes room for a socket whose other end is closed, so that the kernel
 * does not list a connection that is none (the daemon counts them). */
#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "sink-connections.h"

#define LISTENERS_MAX 8

struct name {
  struct sockaddr_storage address;
  socklen_t length;
};

struct listeners {
  struct name names[LISTENERS_MAX];
  size_t count;
};

static bool
get_name (int fd, struct name *name)
{
  memset (name, 0, sizeof *name);
  name->length = sizeof name->address;
  return getsockname (fd, (struct sockaddr *) &name->address,
                      &name->length) == 0 &&
         name->length <= sizeof name->address;
}

static bool
is_listening (int fd)
{
  int yes = 0;
  socklen_t length = sizeof yes;

  return getsockopt (fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &length) == 0 &&
         yes != 0;
}

static int
note_listener (int fd, struct listeners *listeners)
{
  if (is_listening (fd) && listeners->count < LISTENERS_MAX &&
      get_name (fd, &listeners->names[listeners->count]))
    listeners->count++;
  return 0;
}

/* A TCP listener has a wildcard where its connections have an address. */
static bool
is_same_name (const struct name *listener, const struct name *name)
{
  if (listener->address.ss_family != name->address.ss_family)
    return false;
  return name->address.ss_family != AF_UNIX ||
         (listener->length == name->length &&
          memcmp (&listener->address, &name->address, name->length) == 0);
}

static bool
is_accepted (int fd, const struct listeners *listeners)
{
  struct name name;
  size_t i;

  if (is_listening (fd) || !get_name (fd, &name))
    return false;
  for (i = 0; i < listeners->count; i++)
    if (is_same_name (&listeners->names[i], &name))
      return true;
  return false;
}

static bool
is_same_file (int a, int b)
{
  struct stat first, second;

  return fstat (a, &first) == 0 && fstat (b, &second) == 0 &&
         first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

/* nbdkit may close FD at any time, and what it opens next gets the number: so the
 * socket is looked at, and shut down, by a number of our own.  Only the last
 * step goes by nbdkit's.  All that the sink opens once it serves is a new
 * connection; that one, at worst, ends as well, and QEMU makes another. */
static int
cut (int fd, struct listeners *listeners)
{
  CLEANUP_FD int own = fcntl (fd, F_DUPFD_CLOEXEC, 3);
  int ends[2];

  if (own < 0 || !is_accepted (own, listeners))
    return 0;
  if (shutdown (own, SHUT_RDWR) < 0 && errno != ENOTCONN)
    return 0;
  if (is_same_file (fd, own) &&
      socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0) {
    close (ends[1]);
    (void) dup3 (ends[0], fd, O_CLOEXEC);
    close (ends[0]);
  }
  return 1;
}

/* Sums what EACH returns for every descriptor. */
static int
each_descriptor (int (*each) (int fd, struct listeners *), struct listeners *l)
{
  DIR *dir = opendir ("/proc/self/fd");
  struct dirent *entry;
  int n = 0;

  if (dir == NULL)
    return -errno;
  while ((entry = readdir (dir)) != NULL) {
    int fd = atoi (entry->d_name);

    if (fd > 2 && fd != dirfd (dir))
      n += each (fd, l);
  }
  closedir (dir);
  return n;
}

int
sink_connections_cut (void)
{
  struct listeners listeners = { .count = 0 };
  int r = each_descriptor (note_listener, &listeners);

  return r < 0 ? r : each_descriptor (cut, &listeners);
}
