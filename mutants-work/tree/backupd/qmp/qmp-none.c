/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A transport that has nobody at its other end, for a session that is lost from the
 * start: who has a lost one knows how to get another. */
#include <config.h>

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <glib.h>

#include "log.h"
#include "qmp-session.h"

static int
none_send (struct qmp_transport *transport, json_object *command,
           int64_t deadline_ms)
{
  return -ENOTCONN;
}

static int
none_receive (struct qmp_transport *transport, int64_t deadline_ms,
              json_object **message)
{
  return -ENOTCONN;
}

static bool
none_has_more (const struct qmp_transport *transport)
{
  return false;
}

static int
none_peer (const struct qmp_transport *transport, uid_t *uid, gid_t *gid,
           pid_t *pid)
{
  return -ENOTCONN;
}

static void
none_close (struct qmp_transport *transport)
{
  close (transport->fd);
  g_free (transport->name);
  g_free (transport);
}

static const struct qmp_transport_calls calls = {
  .send = none_send, .receive = none_receive, .has_more = none_has_more,
  .peer = none_peer, .close = none_close
};

int
qmp_open_none (const char *path, struct qmp **qmp, struct failure *why)
{
  int r, fd = eventfd (1, EFD_CLOEXEC | EFD_NONBLOCK);
  struct qmp_transport *transport;

  if (fd < 0)
    return failure_set (why, FAILURE_GENERIC, errno, "eventfd: %s",
                        g_strerror (errno));
  transport = g_new (struct qmp_transport, 1);
  *transport = (struct qmp_transport) {
    .calls = &calls, .name = g_strdup_printf ("QMP socket %s", path), .fd = fd
  };
  r = qmp_session_create (transport, qmp, why);
  /* That is how it finds out. */
  if (r == 0 && qmp_dispatch (*qmp) != -ENOTCONN)
    log_debug ("%s: not lost", path);
  return r;
}
