/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The transport that is a unix socket of our own to QEMU.  The peer may be anything
 * that listens there, or a QEMU that its guest has taken over: nothing it sends may
 * block the caller beyond its deadline or take memory without bound. */
#include <config.h>

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>

#include "deadline.h"
#include "json-members.h"
#include "json-stream.h"
#include "qmp-session.h"
#include "socket.h"

/* Begins as all transports do. */
struct socket {
  struct qmp_transport transport;
  struct json_stream *stream;
};

/* --- the calls ----------------------------------------------------------- */

static int
socket_send_command (struct qmp_transport *transport, json_object *command,
                     int64_t deadline_ms)
{
  return json_stream_write (transport->fd, command, deadline_ms);
}

static int
socket_pass_fd (struct qmp_transport *transport, json_object *command, int fd,
                int64_t deadline_ms)
{
  return json_stream_write_with (transport->fd, command, fd, deadline_ms);
}

static int
socket_receive (struct qmp_transport *transport, int64_t deadline_ms,
                json_object **message)
{
  struct json_stream *stream = ((struct socket *) transport)->stream;
  int r = json_stream_read (stream, deadline_ms, message);

  if (r == -ETIMEDOUT && deadline_ms != 0 && json_stream_is_amid (stream))
    return -ETIME;
  return r == -EBADMSG ? -EPROTO : r;
}

static bool
socket_has_more (const struct qmp_transport *transport)
{
  return json_stream_has_bytes (((const struct socket *) transport)->stream);
}

static int
socket_peer (const struct qmp_transport *transport, uid_t *uid, gid_t *gid,
             pid_t *pid)
{
  struct ucred cred;
  socklen_t length = sizeof cred;

  if (getsockopt (transport->fd, SOL_SOCKET, SO_PEERCRED, &cred, &length) < 0)
    return -errno;
  *uid = cred.uid;
  *gid = cred.gid;
  *pid = cred.pid;
  return 0;
}

static void
socket_close (struct qmp_transport *transport)
{
  struct socket *s = (struct socket *) transport;

  json_stream_destroy (s->stream);
  close (transport->fd);
  g_free (transport->name);
  g_free (transport->folder);
  g_free (s);
}

static const struct qmp_transport_calls calls = {
  .send = socket_send_command, .pass_fd = socket_pass_fd,
  .receive = socket_receive,
  .has_more = socket_has_more, .peer = socket_peer, .close = socket_close
};

/* --- connecting ---------------------------------------------------------- */

static int
connect_failure (const char *path, int error, struct failure *why)
{
  struct stat st;

  if (stat (path, &st) == 0 && !S_ISSOCK (st.st_mode))
    return failure_set (why, FAILURE_QMP, ENOTSOCK, "cannot connect to QMP "
                        "socket %s: it is no socket; give the path of QEMU's "
                        "-qmp unix:PATH,server=on,wait=off", path);
  switch (error) {
  case ENAMETOOLONG:
    return socket_path_failure ("a QMP socket", path, why);
  case ENOENT:
    return failure_set (why, FAILURE_QMP, error, "cannot connect to QMP "
                        "socket %s: there is no such file (is the VM running, "
                        "and started with -qmp unix:%s,server=on,wait=off?)",
                        path, path);
  case ECONNREFUSED:
    return failure_set (why, FAILURE_QMP, error, "cannot connect to QMP "
                        "socket %s: nobody listens there (is the VM running?)",
                        path);
  case EACCES:
  case EPERM:
    return failure_set (why, FAILURE_QMP, EACCES, "cannot connect to QMP "
                        "socket %s: permission denied; run pullback-backupd as "
                        "root or as QEMU's user", path);
  case EAGAIN:
    /* QEMU serves one client at a time, and keeps the next ones waiting. */
    return failure_set (why, FAILURE_TIMEOUT, ETIMEDOUT, "QMP socket %s is "
                        "busy: other clients (libvirt?) wait there already; "
                        "give pullback a QMP socket of its own", path);
  default:
    return failure_set (why, FAILURE_QMP, error, "cannot connect to QMP "
                        "socket %s: %s", path, strerror (error));
  }
}

/* Who has such a monitor knows of no guards; tests do. */
static char *
folder_of_tests (void)
{
#ifdef ENABLE_STOP_AFTER
  return g_strdup (g_getenv ("PULLBACK_QEMU_FOLDER"));
#else
  return NULL;
#endif
}

static int
connect_socket (const char *path, int64_t deadline_ms,
                struct qmp_transport **transport, struct failure *why)
{
  static const struct json_stream_rules rules = {
    .bytes = 64u << 20, .values = 500000, .depth = 500, .lenient = true
  };
  CLEANUP_FD int fd = -1;
  struct json_stream *stream;
  struct socket *s;
  int r = socket_connect_unix (path, deadline_ms, &fd);

  if (r < 0)
    return connect_failure (path, -r, why);
  stream = json_stream_create (fd, &rules);
  if (stream == NULL)
    return failure_set (why, FAILURE_GENERIC, ENOMEM, "out of memory");
  s = g_new (struct socket, 1);
  *s = (struct socket) {
    .transport = { .calls = &calls, .fd = TAKE_FD (fd),
                   .name = g_strdup_printf ("QMP socket %s", path),
                   .folder = folder_of_tests () },
    .stream = stream
  };
  *transport = &s->transport;
  return 0;
}

static int
greeting_failure (const char *path, int r, int64_t started_ms,
                  struct failure *why)
{
  if (r == -ETIMEDOUT)
    return failure_set (why, FAILURE_TIMEOUT, ETIMEDOUT, "QMP socket %s takes "
                        "connections but sent no greeting within %.1f s: "
                        "another client (libvirt?) may hold it, or QEMU hangs; "
                        "give pullback a QMP socket of its own (another -qmp "
                        "unix:PATH,server=on,wait=off)", path,
                        (double) (now_ms () - started_ms) / 1000);
  if (r == -ECONNRESET)
    return failure_set (why, FAILURE_QMP, EPROTO, "QMP socket %s closed the "
                        "connection without a greeting: it is no QMP server, "
                        "or the VM is ending", path);
  return failure_set (why, FAILURE_QMP, EPROTO, "%s is not a QMP server: it "
                      "does not greet like one; give the path of QEMU's -qmp "
                      "unix:PATH,server=on,wait=off (no human monitor, guest "
                      "agent or console)", path);
}

static int
read_greeting (struct qmp_transport *transport, const char *path,
               int64_t deadline_ms, struct failure *why)
{
  CLEANUP_JSON json_object *greeting = NULL;
  int64_t started_ms = now_ms ();
  int r = json_stream_read (((struct socket *) transport)->stream, deadline_ms,
                            &greeting);

  if (r == 0 && json_get_object (greeting, "QMP") == NULL)
    r = -EPROTO;
  return r == 0 ? 0 : greeting_failure (path, r, started_ms, why);
}

int
qmp_open (const char *path, int timeout_ms, struct qmp **qmp,
          struct failure *why)
{
  int64_t deadline_ms = now_ms () + timeout_ms;
  struct qmp_transport *transport = NULL;
  struct qmp *q;
  int r = connect_socket (path, deadline_ms, &transport, why);

  if (r < 0)
    return r;
  r = qmp_session_create (transport, &q, why);
  if (r < 0)
    return r;
  r = read_greeting (transport, path, deadline_ms, why);
  if (r == 0)
    r = qmp_session_call (q, "qmp_capabilities", NULL, deadline_ms, NULL, why);
  if (r == 0)
    r = qmp_session_learn (q, deadline_ms, why);
  if (r < 0)
    qmp_close (q);
  else
    *qmp = q;
  return r;
}
