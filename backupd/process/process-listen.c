/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Listening sockets that the daemon holds for its children. */
#include <config.h>

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>

#include "log.h"
#include "process-label.h"
#include "process-listen.h"
#include "process-visit.h"
#include "socket.h"

/* Only a socket may be replaced: whoever has a file there wants to keep it. */
static int
clear_path (const char *path, struct failure *why)
{
  struct stat st;

  if (lstat (path, &st) == 0 && !S_ISSOCK (st.st_mode))
    return failure_set (why, FAILURE_EXISTS, EEXIST, "cannot listen on the "
                        "socket %s: there is a file in its place, which is "
                        "not a socket; move it away", path);
  if (unlink (path) < 0 && errno != ENOENT)
    return failure_set (why, FAILURE_STORAGE, errno, "cannot replace the old "
                        "socket %s: %s", path, g_strerror (errno));
  return 0;
}

int
process_listen_unix (const char *path, uid_t uid, gid_t gid, int *ret,
                     struct failure *why)
{
  CLEANUP_FD int fd = -1;
  int r = clear_path (path, why);

  if (r < 0)
    return r;
  r = socket_listen_unix (path, &fd);
  if (r == -ENAMETOOLONG)
    return failure_set (why, FAILURE_BAD_ARGUMENT, ENAMETOOLONG,
                        "the socket path %s is longer than the %zu bytes a "
                        "unix socket can have: use a shorter --runtime-dir",
                        path, SOCKET_PATH_MAX);
  /* Of a link in its place, the link. */
  if (r == 0 && geteuid () == 0 && lchown (path, uid, gid) < 0)
    r = -errno;
  if (r < 0)
    return failure_set (why, FAILURE_STORAGE, -r, "cannot listen on the socket "
                        "%s: %s", path, g_strerror (-r));
  *ret = TAKE_FD (fd);
  return 0;
}

struct labelled {
  const struct process_place *place;
  int fd;
  struct failure why;
};

/* A thread of its own, as it keeps the label. */
static gpointer
listen_labelled (gpointer opaque)
{
  struct labelled *asked = opaque;
  const struct process_place *place = asked->place;

  process_label_sockets (place->label);
  return GINT_TO_POINTER (process_listen_unix (place->socket, place->uid,
                                               place->gid, &asked->fd,
                                               &asked->why));
}

static int
listen_ours (const struct process_place *place, int *fd, struct failure *why)
{
  struct labelled asked = { .place = place, .fd = -1 };
  GThread *thread;
  int r;

  if (place->label == NULL)
    return process_listen_unix (place->socket, place->uid, place->gid, fd, why);
  thread = g_thread_try_new ("label", listen_labelled, &asked, NULL);
  if (thread == NULL)
    return failure_set (why, FAILURE_GENERIC, EAGAIN, "cannot listen on the "
                        "socket %s: no thread can be made", place->socket);
  r = GPOINTER_TO_INT (g_thread_join (thread));
  if (r == 0)
    *fd = asked.fd;
  else
    failure_set (why, asked.why.class, -r, "%s", asked.why.text);
  return r;
}

int
process_listen (const struct process_place *place, int *fd,
                struct failure *why)
{
  return place->tcp != NULL ? process_listen_tcp (place->tcp, fd, why)
         : place->theirs ? process_visit_listen (place, fd, why)
         : listen_ours (place, fd, why);
}

void
process_listen_remove (const struct process_place *place)
{
  int r = 0;

  if (place->theirs)
    r = process_visit_remove (place);
  else if (unlink (place->socket) < 0)
    r = -errno;
  if (r < 0 && r != -ENOENT)
    log_warning ("cannot remove the socket %s: %s", place->socket,
                 g_strerror (-r));
}

const char *
process_listen_name (const struct process_place *place)
{
  return place->theirs ? process_visit_name (place->socket) : place->socket;
}

int
process_listen_tcp (const char *where, int *fd, struct failure *why)
{
  struct socket_place place;
  const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
                                  .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
  struct addrinfo *info = NULL;
  const char *address;
  int r = socket_parse_place (where, &place);

  if (r < 0)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "'%s' is not [ADDRESS:]PORT with a port from 0 to "
                        "65535", where);
  address = place.address[0] == '\0' ? "127.0.0.1" : place.address;
  r = getaddrinfo (address, place.port, &hints, &info);
  if (r != 0)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "cannot listen on "
                        "%s: %s", where, gai_strerror (r));
  r = socket_listen_tcp (info, false, fd);
  if (r == 0 && !socket_is_loopback (info->ai_addr))
    log_warning ("backups on %s are not encrypted: anybody on the way can "
                 "read them", where);
  freeaddrinfo (info);
  if (r == -EADDRINUSE)
    failure_set (why, FAILURE_BUSY, EADDRINUSE, "TCP port %s of %s is in use: "
                 "choose another one", place.port, address);
  else if (r < 0)
    failure_set (why, FAILURE_BAD_ARGUMENT, -r, "cannot listen on %s: %s",
                 where, g_strerror (-r));
  return r;
}
