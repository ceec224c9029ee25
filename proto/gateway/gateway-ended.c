/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* By the kernel's table of unix sockets, where the server's end of a connection has the path
 * that it was accepted at, and its inode, until the server closes it.  qemu-storage-daemon
 * does that when all requests of the connection are done.  One that was not accepted yet
 * has no inode, and has asked for nothing.  The table is opened at the beginning: later we may
 * open no file. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "deadline.h"
#include "gateway-ended.h"

#define TABLE "/proc/self/net/unix"
#define TABLE_ROOM 65536        /* at first */
#define TABLE_MOST (64 << 20)
#define LOOK_MS 20
/* The kernel's __SO_ACCEPTCON. */
#define LISTENS 0x10000

struct ended {
  char *server;
  int table;
  pthread_mutex_t lock;         /* of what follows, and of the table's offset */
  unsigned long *inodes;        /* of those that are left */
  size_t count;
};

/* The whole table, to be freed; NULL with errno. */
static char *
read_table (int fd)
{
  size_t room = TABLE_ROOM, length = 0;
  char *text = malloc (room);
  ssize_t n = lseek (fd, 0, SEEK_SET);

  while (text != NULL && n >= 0) {
    char *more;

    n = read (fd, text + length, room - length - 1);
    if (n <= 0)
      break;
    length += (size_t) n;
    if (length < room - 1)
      continue;
    more = room < TABLE_MOST ? realloc (text, room *= 2) : NULL;
    if (more == NULL)
      free (text);
    text = more;
  }
  if (text != NULL && n < 0) {
    free (text);
    return NULL;
  }
  if (text != NULL)
    text[length] = '\0';
  return text;
}

/* The columns are Num RefCount Protocol Flags Type St Inode Path. */
static bool
is_connection (const char *line, const char *server, unsigned long *inode)
{
  unsigned flags;
  int path = 0;

  return sscanf (line, "%*s %*s %*s %x %*s %*s %lu %n", &flags, inode,
                 &path) == 2 && path > 0 && (flags & LISTENS) == 0 &&
         *inode != 0 && strcmp (line + path, server) == 0;
}

static bool
has (const struct ended *ended, unsigned long inode)
{
  for (size_t i = 0; i < ended->count; i++)
    if (ended->inodes[i] == inode)
      return true;
  return false;
}

/* Those of FIRST, or of those that were there before, that are there now. */
static int
look_locked (struct ended *ended, bool first)
{
  CLEANUP_FREE char *text = read_table (ended->table);
  unsigned long inode, *left;
  size_t n = 0, lines = 1;
  char *rest = text;

  for (const char *p = text; p != NULL; p = strchr (p + 1, '\n'))
    lines++;
  left = text == NULL ? NULL : malloc (lines * sizeof *left);
  if (left == NULL)
    return -errno;
  for (char *line; (line = strsep (&rest, "\n")) != NULL;)
    if (is_connection (line, ended->server, &inode) &&
        (first || has (ended, inode)))
      left[n++] = inode;
  free (ended->inodes);
  ended->inodes = left;
  ended->count = n;
  return 0;
}

int
gateway_ended_open (const char *server, struct ended **ret,
                    struct failure *why)
{
  struct ended *ended = calloc (1, sizeof *ended);
  int r;

  if (ended == NULL)
    return failure_set (why, FAILURE_GENERIC, ENOMEM, "out of memory");
  pthread_mutex_init (&ended->lock, NULL);
  ended->server = strdup (server);
  ended->table = open (TABLE, O_RDONLY | O_CLOEXEC);
  r = ended->server == NULL || ended->table < 0 ? -errno
      : look_locked (ended, true);
  if (r < 0) {
    gateway_ended_close (ended);
    return failure_set (why, FAILURE_GENERIC, -r, "who is connected to %s "
                        "cannot be seen in " TABLE ": %s", server,
                        strerror (-r));
  }
  *ret = ended;
  return 0;
}

void
gateway_ended_close (struct ended *ended)
{
  if (ended == NULL)
    return;
  if (ended->table >= 0)
    close (ended->table);
  pthread_mutex_destroy (&ended->lock);
  free (ended->inodes);
  free (ended->server);
  free (ended);
}

/* What cannot be seen is not gone. */
static bool
are_gone (struct ended *ended)
{
  bool gone;

  pthread_mutex_lock (&ended->lock);
  gone = ended->count == 0 ||
         (look_locked (ended, false) == 0 && ended->count == 0);
  pthread_mutex_unlock (&ended->lock);
  return gone;
}

int
gateway_ended_wait (struct ended *ended, int64_t deadline_ms,
                    struct failure *why)
{
  while (ended != NULL && !are_gone (ended)) {
    if (ms_left (deadline_ms) == 0)
      return failure_set (why, FAILURE_GENERIC, ETIMEDOUT, "what clients of a "
                          "gateway that was killed have asked for is still being "
                          "written; try again later");
    poll (NULL, 0, LOOK_MS);
  }
  return 0;
}
