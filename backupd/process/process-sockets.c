/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who listens is told by /proc, where each process shows the table of its own network
 * namespace.  Who is connected, by sock_diag: the table does not tell a socket whose other
 * end is closed, which a busy server closes when it gets to it, from one in use; nor whose
 * a socket is, and anybody may make one of any name, in a file system of his own.
 *
 * A connection is listed in the namespace of who has made it, and so is the server's end
 * of it, though the server listens in another. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/net.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdalign.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>

#include "cleanup.h"
#include "process-sockets.h"

/* The kernel's __SO_ACCEPTCON. */
#define LISTENS 0x10000

struct entry {
  unsigned flags, state;
  unsigned long inode;
  const char *path;
};

/* The columns are Num RefCount Protocol Flags Type St Inode Path. */
static bool
parse (const char *line, struct entry *entry)
{
  int path = 0;

  if (sscanf (line, "%*s %*s %*s %x %*s %x %lu %n", &entry->flags,
              &entry->state, &entry->inode, &path) != 3 || path == 0)
    return false;
  entry->path = line + path;
  return true;
}

/* The sockets of TABLE at PATH that are as WANTED. */
static unsigned
count (const char *table, const char *path,
       bool (*wanted) (const struct entry *entry))
{
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  struct entry entry;
  unsigned n = 0;

  if (!g_file_get_contents (table, &text, NULL, NULL))
    return UINT_MAX;
  lines = g_strsplit (text, "\n", -1);
  for (unsigned i = 0; lines[i] != NULL; i++)
    if (parse (lines[i], &entry) && strcmp (entry.path, path) == 0 &&
        wanted (&entry))
      n++;
  return n;
}

static bool
is_listener (const struct entry *entry)
{
  return (entry->flags & LISTENS) != 0;
}

static bool
is_connection (const struct entry *entry)
{
  return !is_listener (entry);
}

/* --- by sock_diag ----------------------------------------------------- */

struct wanted {
  const char *path;
  unsigned state;               /* TCP_ESTABLISHED: its other end is open, too */
  uid_t uid;                    /* of whom; where no kernel before 5.3 hides that */
};

static bool
is_named (const struct rtattr *name, const char *path)
{
  size_t length = RTA_PAYLOAD (name);

  return length >= strlen (path) &&
         strnlen (RTA_DATA (name), length) == strlen (path) &&
         memcmp (RTA_DATA (name), path, strlen (path)) == 0;
}

/* The inode of one that was closed is 0. */
static bool
is_wanted (const struct nlmsghdr *header, const struct wanted *wanted)
{
  const struct unix_diag_msg *message = NLMSG_DATA (header);
  const struct rtattr *a = (const void *) (message + 1);
  unsigned left = (unsigned) (header->nlmsg_len -
                              NLMSG_LENGTH (sizeof *message));
  bool named = false;
  uint32_t peer = 0, uid = wanted->uid;

  for (; RTA_OK (a, left); a = RTA_NEXT (a, left))
    if (a->rta_type == UNIX_DIAG_NAME)
      named = is_named (a, wanted->path);
    else if (a->rta_type == UNIX_DIAG_PEER && RTA_PAYLOAD (a) == sizeof peer)
      memcpy (&peer, RTA_DATA (a), sizeof peer);
    else if (a->rta_type == UNIX_DIAG_UID && RTA_PAYLOAD (a) == sizeof uid)
      memcpy (&uid, RTA_DATA (a), sizeof uid);
  return named && uid == wanted->uid && message->udiag_ino != 0 &&
         (peer != 0 || wanted->state == TCP_LISTEN);
}

static int
diag_ask (int fd, unsigned state)
{
  struct {
    struct nlmsghdr header;
    struct unix_diag_req request;
  } ask = {
    .header = { .nlmsg_len = sizeof ask, .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
    .request = { .sdiag_family = AF_UNIX, .udiag_states = 1u << state,
                 .udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER |
                               UDIAG_SHOW_UID }
  };

  return send (fd, &ask, sizeof ask, 0) == sizeof ask ? 0 : -errno;
}

/* -errno where the kernel does not tell. */
static int
diag_count (const struct wanted *wanted)
{
  CLEANUP_FD int fd = socket (AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC,
                              NETLINK_SOCK_DIAG);
  alignas (struct nlmsghdr) char buffer[32768];
  int n = 0, r = fd < 0 ? -errno : diag_ask (fd, wanted->state);

  while (r == 0) {
    ssize_t got = recv (fd, buffer, sizeof buffer, 0);
    size_t left = got < 0 ? 0 : (size_t) got;
    const struct nlmsghdr *header = (const void *) buffer;

    if (got <= 0)
      return got < 0 ? -errno : -EPROTO;
    for (; NLMSG_OK (header, left); header = NLMSG_NEXT (header, left)) {
      if (header->nlmsg_type == NLMSG_DONE)
        return n;
      if (header->nlmsg_type == NLMSG_ERROR)
        return -EPROTO;
      n += is_wanted (header, wanted);
    }
  }
  return r;
}

/* --- another's namespace ---------------------------------------------- */

/* NULL: it is ours, or nobody's any more. */
static char *
namespace_of (pid_t pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/ns/net", (int) pid);
  struct stat its, ours;

  return pid == 0 || stat (path, &its) < 0 ||
         stat ("/proc/self/ns/net", &ours) < 0 || its.st_ino == ours.st_ino
         ? NULL : g_steal_pointer (&path);
}

static char *
table_of (pid_t pid)
{
  return g_strdup_printf ("/proc/%d/net/unix", (int) pid);
}

struct elsewhere {
  const char *namespace;
  const struct wanted *wanted;
};

/* A thread of its own, as it does not come back from there. */
static gpointer
count_elsewhere (gpointer opaque)
{
  const struct elsewhere *asked = opaque;
  CLEANUP_FD int fd = open (asked->namespace, O_RDONLY | O_CLOEXEC);

  return GINT_TO_POINTER (fd < 0 || setns (fd, CLONE_NEWNET) < 0
                          ? -errno : diag_count (asked->wanted));
}

static int
diag_count_in (const char *namespace, const struct wanted *wanted)
{
  struct elsewhere asked = { .namespace = namespace, .wanted = wanted };
  GThread *thread = g_thread_try_new ("sockets", count_elsewhere, &asked, NULL);

  return thread == NULL ? -EAGAIN : GPOINTER_TO_INT (g_thread_join (thread));
}

unsigned
process_sockets_connected (pid_t pid, const char *path)
{
  const struct wanted wanted = { path, TCP_ESTABLISHED, geteuid () };
  g_autofree char *namespace = namespace_of (pid), *table = table_of (pid);
  int n = diag_count (&wanted), more = 0;

  if (namespace != NULL)
    more = diag_count_in (namespace, &wanted);
  /* Who may not go there may still read. */
  if (more < 0)
    more = (int) count (table, path, is_connection);
  return n < 0 || more < 0 ? UINT_MAX : (unsigned) (n + more);
}

unsigned
process_sockets_held (pid_t pid, const char *path)
{
  g_autofree char *namespace = namespace_of (pid), *table = table_of (pid);
  unsigned n = count ("/proc/self/net/unix", path, is_connection);
  unsigned more = namespace == NULL ? 0 : count (table, path, is_connection);

  return n == UINT_MAX || more == UINT_MAX ? UINT_MAX : n + more;
}

bool
process_sockets_listens (pid_t pid, const char *path)
{
  g_autofree char *table = table_of (pid);
  unsigned n = count (table, path, is_listener);

  return n > 0 && n != UINT_MAX;
}

bool
process_sockets_we_listen (const char *path)
{
  const struct wanted wanted = { path, TCP_LISTEN, geteuid () };
  int n = diag_count (&wanted);

  return n < 0 ? process_sockets_listens (getpid (), path) : n > 0;
}
