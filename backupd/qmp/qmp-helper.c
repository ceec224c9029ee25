/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The transport that is a program which speaks QMP.  A command that has not been answered
 * holds back the next ones: who sends waits for that answer first, as long as he
 * would have waited for his own, and then has sent nothing.  What comes meanwhile is
 * kept for who receives. */
#include <config.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "deadline.h"
#include "json-members.h"
#include "json-stream.h"
#include "proc-start.h"
#include "qmp-helper.h"
#include "qmp-session.h"

/* Begins as all transports do. */
struct helper {
  struct qmp_transport transport;
  struct json_stream *stream;
  GQueue kept;                  /* of json_object * */
  uint64_t in_flight;           /* id of a command without an answer; 0: none */
  pid_t pid;                    /* QEMU's process ... */
  char start[PROC_START_SIZE];  /* ... and no other of that number */
  void (*end) (void *opaque);
  void *opaque;
};

/* --- the calls ----------------------------------------------------------- */

static int
read_message (struct helper *h, int64_t deadline_ms, json_object **message)
{
  int r = json_stream_read (h->stream, deadline_ms, message);

  if (r == -ETIMEDOUT && deadline_ms != 0 && json_stream_is_amid (h->stream))
    return -ETIME;
  return r == -EBADMSG ? -EPROTO : r;
}

/* The next message that is for the session: one that says that a command was not
 * carried out is none. */
static int
read_next (struct helper *h, int64_t deadline_ms, json_object **message)
{
  for (;;) {
    CLEANUP_JSON json_object *got = NULL;
    int r = read_message (h, deadline_ms, &got);

    if (r < 0)
      return r;
    if (json_get_string (got, "event") == NULL &&
        json_get_u64 (got, "id") == h->in_flight)
      h->in_flight = 0;
    /* The session tells what is busy. */
    if (!json_get_bool (got, "unsent") || json_get_string (got, "busy")) {
      *message = TAKE_PTR (got);
      return 0;
    }
  }
}

static int
helper_receive (struct qmp_transport *transport, int64_t deadline_ms,
                json_object **message)
{
  struct helper *h = (struct helper *) transport;

  if (g_queue_is_empty (&h->kept))
    return read_next (h, deadline_ms, message);
  *message = g_queue_pop_head (&h->kept);
  return 0;
}

/* FD: -1, or what goes with it. */
static int
send_with (struct helper *h, json_object *command, int fd, int64_t deadline_ms)
{
  int r;

  while (h->in_flight != 0) {
    json_object *message;

    r = read_next (h, deadline_ms, &message);
    if (r < 0)
      return r == -ETIMEDOUT ? -EBUSY : r;
    g_queue_push_tail (&h->kept, message);
  }
  r = fd < 0 ? json_stream_write (h->transport.fd, command, deadline_ms)
      : json_stream_write_with (h->transport.fd, command, fd, deadline_ms);
  if (r == 0)
    h->in_flight = json_get_u64 (command, "id");
  return r;
}

static int
helper_send (struct qmp_transport *transport, json_object *command,
             int64_t deadline_ms)
{
  return send_with ((struct helper *) transport, command, -1, deadline_ms);
}

static int
helper_pass_fd (struct qmp_transport *transport, json_object *command, int fd,
                int64_t deadline_ms)
{
  return send_with ((struct helper *) transport, command, fd, deadline_ms);
}

static bool
helper_has_more (const struct qmp_transport *transport)
{
  struct helper *h = (struct helper *) transport;

  return !g_queue_is_empty (&h->kept) || json_stream_has_bytes (h->stream);
}

static int
helper_peer (const struct qmp_transport *transport, uid_t *uid, gid_t *gid,
             pid_t *pid)
{
  const struct helper *h = (const struct helper *) transport;
  char start[PROC_START_SIZE];

  if (!proc_start_time (h->pid, start) || strcmp (start, h->start) != 0)
    return -ESRCH;
  /* Nobody's, where /proc does not tell whose it is. */
  *uid = 65534;
  *gid = 65534;
  *pid = h->pid;
  return 0;
}

static void
helper_close (struct qmp_transport *transport)
{
  struct helper *h = (struct helper *) transport;
  json_object *message;

  while ((message = g_queue_pop_head (&h->kept)) != NULL)
    json_object_put (message);
  json_stream_destroy (h->stream);
  close (transport->fd);
  h->end (h->opaque);
  g_free (transport->name);
  g_free (transport->folder);
  g_free (h);
}

static const struct qmp_transport_calls calls = {
  .send = helper_send, .pass_fd = helper_pass_fd, .receive = helper_receive,
  .has_more = helper_has_more, .peer = helper_peer, .close = helper_close
};

/* --- opening ------------------------------------------------------------- */

static int
create (const struct qmp_helper *helper, struct helper **new,
        struct failure *why)
{
  static const struct json_stream_rules rules = {
    .bytes = 64u << 20, .values = 500000, .depth = 500, .lines = true,
    .lenient = true
  };
  struct json_stream *stream = json_stream_create (helper->fd, &rules);
  struct helper *h;

  if (stream == NULL) {
    close (helper->fd);
    helper->end (helper->opaque);
    return failure_set (why, FAILURE_GENERIC, ENOMEM, "out of memory");
  }
  h = g_new0 (struct helper, 1);
  h->transport = (struct qmp_transport) {
    .calls = &calls, .fd = helper->fd, .name = g_strdup (helper->name)
  };
  h->stream = stream;
  h->end = helper->end;
  h->opaque = helper->opaque;
  g_queue_init (&h->kept);
  *new = h;
  return 0;
}

static int
meet (struct helper *h, const struct qmp_helper *helper, int64_t deadline_ms,
      struct failure *why)
{
  CLEANUP_JSON json_object *greeting = NULL;
  int64_t started_ms = now_ms ();
  int r = read_message (h, deadline_ms, &greeting);

  if (r == -ETIMEDOUT || r == -ETIME)
    return failure_set (why, FAILURE_TIMEOUT, ETIMEDOUT, "%s did not answer "
                        "within %.1f s", helper->name,
                        (double) (now_ms () - started_ms) / 1000);
  if (r < 0)
    return failure_set (why, FAILURE_QMP, -r, "what speaks to %s ended without "
                        "a word: its messages are in the daemon's log",
                        helper->name);
  r = helper->meet (helper->opaque, greeting, &h->pid, &h->transport.folder,
                    why);
  if (r == 0 && !proc_start_time (h->pid, h->start))
    r = failure_set (why, FAILURE_QMP, ECONNREFUSED, "QEMU of %s has just "
                     "ended", helper->name);
  return r;
}

int
qmp_open_helper (const struct qmp_helper *helper, int timeout_ms,
                 struct qmp **qmp, struct failure *why)
{
  int64_t deadline_ms = now_ms () + timeout_ms;
  struct helper *h = NULL;
  struct qmp *q;
  int r = create (helper, &h, why);

  if (r < 0)
    return r;
  r = qmp_session_create (&h->transport, &q, why);
  if (r < 0)
    return r;
  r = meet (h, helper, deadline_ms, why);
  if (r == 0)
    r = qmp_session_learn (q, deadline_ms, why);
  if (r < 0)
    qmp_close (q);
  else
    *qmp = q;
  return r;
}
