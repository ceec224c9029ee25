/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls carry a number as id.  A call that timed out leaves the link alive;
 * its late reply is recognised by its old number and dropped.
 *
 * Events that arrive during a call wait in a queue.  As the transport is not
 * readable then, the descriptor that callers poll is an epoll one that also
 * holds an eventfd, which counts as readable while the queue is not empty. */
#include <config.h>

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <glib.h>

#include "deadline.h"
#include "json-members.h"
#include "qmp-schema.h"
#include "qmp-session.h"
#include "qmp-turn.h"

/* More than this unread is no QEMU in its right mind. */
#define EVENTS_MAX 65536u
/* Messages handled by one qmp_dispatch: others want the thread, too. */
#define DISPATCH_MAX 4096u
/* Who waited long for others is not to fail for it. */
#define LEARN_LEAST_MS 3000
/* After one call of this length without a word the next ones are short, until
 * there is a word: a job of many commands waits once for a QEMU that is mute. */
#define LONG_MS patience_ms (10000)
#define SILENT_MS 1000

struct qmp {
  struct qmp_transport *transport;
  struct qmp_schema *schema;    /* NULL: not read yet */
  int poll_fd, queue_fd;
  GQueue events;                /* of json_object *, whole messages */
  qmp_event_fn handler;
  void *handler_opaque;
  uint64_t last_id;
  uint64_t asked_id;            /* of qmp_ask; 0: nothing is asked */
  qmp_answer_fn answer;
  void *answer_opaque;
  int64_t heard_ms;             /* now_ms () of the last message */
  bool silent;                  /* none while a call waited long for one */
  bool lost;
  struct failure reason;        /* while lost */
};

static void
mark_queue (struct qmp *qmp)
{
  /* Non-blocking; the counter cannot be full. */
  (void) eventfd_write (qmp->queue_fd, 1);
}

static void
unmark_queue (struct qmp *qmp)
{
  eventfd_t count;

  (void) eventfd_read (qmp->queue_fd, &count);
}

static int
lose (struct qmp *qmp, int error)
{
  const char *text;

  if (qmp->lost)
    return -ENOTCONN;
  switch (error) {
  case ECONNRESET:
  case EPIPE:
    text = "QEMU has closed it (the VM has ended, or the monitor was removed)";
    break;
  case EPROTO:
    text = "what came from there is not QMP";
    break;
  case EMSGSIZE:
    text = "a message from there is too large or too deeply nested";
    break;
  case ENOBUFS:
    text = "it sent more events than can be kept";
    break;
  case ETIME:
    text = "the peer stopped in the middle of a message";
    break;
  default:
    text = strerror (error);
  }
  qmp->lost = true;
  failure_set (&qmp->reason, FAILURE_QMP, ENOTCONN,
               "the link to %s is lost: %s", qmp->transport->name, text);
  /* For ever: whoever polls it has to wake up and see the loss. */
  mark_queue (qmp);
  return -ENOTCONN;
}

int
qmp_session_lost (const struct qmp *qmp, struct failure *why)
{
  return failure_set (why, FAILURE_QMP, ENOTCONN, "%s", qmp->reason.text);
}

const struct qmp_transport *
qmp_session_transport (const struct qmp *qmp)
{
  return qmp->transport;
}

/* What has been read already poll would not see either. */
static void
mark_rest (struct qmp *qmp)
{
  if (!qmp->lost && qmp->transport->calls->has_more (qmp->transport))
    mark_queue (qmp);
}

static int
queue_event (struct qmp *qmp, json_object *message)
{
  if (g_queue_get_length (&qmp->events) >= EVENTS_MAX) {
    json_object_put (message);
    return lose (qmp, ENOBUFS);
  }
  g_queue_push_tail (&qmp->events, message);
  mark_queue (qmp);
  return 0;
}

/* Of qmp_ask?  What QEMU refuses has no result. */
static bool
take_answer (struct qmp *qmp, json_object *message)
{
  json_object *result;

  if (qmp->asked_id == 0 || json_get_u64 (message, "id") != qmp->asked_id)
    return false;
  qmp->asked_id = 0;
  if (json_object_object_get_ex (message, "return", &result))
    qmp->answer (qmp->answer_opaque, result);
  json_object_put (message);
  return true;
}

/* Reads one message.  An event goes to the queue, and an answer of qmp_ask to who
 * wants it: then *REPLY stays NULL. */
static int
receive (struct qmp *qmp, int64_t deadline_ms, json_object **reply)
{
  json_object *message;
  int r =
    qmp->transport->calls->receive (qmp->transport, deadline_ms, &message);

  if (r < 0 && r != -ETIMEDOUT)
    lose (qmp, -r);
  if (r < 0)
    return r == -ETIMEDOUT || r == -ETIME ? -ETIMEDOUT : -ENOTCONN;
  qmp->silent = false;
  qmp->heard_ms = now_ms ();
  *reply = NULL;
  if (json_get_string (message, "event") != NULL)
    return queue_event (qmp, message);
  if (take_answer (qmp, message))
    return 0;
  *reply = message;
  return 0;
}

/* The number of a reply, 0 if there is none we could have sent. */
static uint64_t
reply_id (const struct qmp *qmp, json_object *reply)
{
  uint64_t id = json_get_u64 (reply, "id");

  return id > qmp->last_id ? 0 : id;
}

static int
timeout_failure (struct qmp *qmp, const char *command, int64_t started_ms,
                 struct failure *why)
{
  return failure_set (why, FAILURE_TIMEOUT, ETIMEDOUT, "QEMU did not answer "
                      "%s within %.1f s (%s); is the VM stopped, or its storage "
                      "stuck?", command,
                      (double) (now_ms () - started_ms) / 1000,
                      qmp->transport->name);
}

static int
wait_for_reply (struct qmp *qmp, uint64_t id, int64_t deadline_ms,
                json_object **reply)
{
  CLEANUP_JSON json_object *message = NULL;
  uint64_t got;

  for (;;) {
    int r = receive (qmp, deadline_ms, &message);

    if (r < 0)
      return r;
    if (message == NULL)
      continue;
    got = reply_id (qmp, message);
    if (got == id) {
      *reply = TAKE_PTR (message);
      return 0;
    }
    /* QEMU sends what a client that died had asked for to the next one, before
     * it answers that one's first command. */
    if (got == 0 && qmp->schema != NULL)
      return lose (qmp, EPROTO);
    json_object_put (TAKE_PTR (message));
  }
}

/* Turns a reply into a result or a failure. */
static int
unpack_reply (struct qmp *qmp, const char *command, json_object *reply,
              json_object **result, struct failure *why)
{
  json_object *error = json_get_object (reply, "error"), *value;
  const char *text = json_get_string (error, "desc");
  const char *busy = json_get_string (reply, "busy");

  if (busy != NULL)
    return failure_set (why, FAILURE_TIMEOUT, ETIMEDOUT, "QEMU was not asked "
                        "for %s: %s", command, busy);
  if (error != NULL)
    return failure_set (why, FAILURE_QMP, EREMOTEIO, "QEMU refused %s: %s",
                        command, text == NULL ? "no reason given" : text);
  if (!json_object_object_get_ex (reply, "return", &value)) {
    lose (qmp, EPROTO);
    return qmp_session_lost (qmp, why);
  }
  if (result != NULL)
    *result = json_object_get (value);
  return 0;
}

static int
send_request (struct qmp *qmp, json_object *request, int fd,
              int64_t deadline_ms)
{
  const struct qmp_transport_calls *calls = qmp->transport->calls;
  return fd < 0 ? calls->send (qmp->transport, request, deadline_ms)
         : calls->pass_fd (qmp->transport, request, fd, deadline_ms);
}

/* With the descriptor FD; -1: without one. */
static int
call_with (struct qmp *qmp, const char *command, json_object *arguments,
           int fd, int64_t deadline_ms, json_object **result,
           struct failure *why)
{
  CLEANUP_JSON json_object *request = json_with ("execute", command);
  CLEANUP_JSON json_object *reply = NULL;
  int64_t started_ms = now_ms ();
  int r;

  if (arguments != NULL)
    json_object_object_add (request, "arguments", arguments);
  if (qmp->lost)
    return qmp_session_lost (qmp, why);
  json_add_u64 (request, "id", ++qmp->last_id);
  if (qmp->silent)
    deadline_ms = MIN (deadline_ms, started_ms + SILENT_MS);

  r = send_request (qmp, request, fd, deadline_ms);
  if (r == 0)
    r = wait_for_reply (qmp, qmp->last_id, deadline_ms, &reply);
  else if (r != -EBUSY)
    /* Half a command on the wire spoils the next one. */
    lose (qmp, -r);
  mark_rest (qmp);
  if (r == -ETIMEDOUT || r == -EBUSY) {
    qmp->silent = qmp->silent ||
                  now_ms () - MAX (started_ms, qmp->heard_ms) >= LONG_MS;
    return timeout_failure (qmp, command, started_ms, why);
  }
  if (r < 0)
    return qmp_session_lost (qmp, why);
  return unpack_reply (qmp, command, reply, result, why);
}

int
qmp_session_call (struct qmp *qmp, const char *command, json_object *arguments,
                int64_t deadline_ms, json_object **result, struct failure *why)
{
  return call_with (qmp, command, arguments, -1, deadline_ms, result, why);
}

int
qmp_session_pass (struct qmp *qmp, const char *command, json_object *arguments,
                  int fd, int64_t deadline_ms, struct failure *why)
{
  return call_with (qmp, command, arguments, fd, deadline_ms, NULL, why);
}

int
qmp_call (struct qmp *qmp, const char *command, json_object *arguments,
          int timeout_ms, json_object **result, struct failure *why)
{
  return qmp_session_call (qmp, command, arguments, now_ms () + timeout_ms,
                         result, why);
}

int
qmp_ask (struct qmp *qmp, const char *command, qmp_answer_fn answer,
         void *opaque)
{
  CLEANUP_JSON json_object *request = json_with ("execute", command);
  int r;

  if (qmp->lost)
    return -ENOTCONN;
  json_add_u64 (request, "id", ++qmp->last_id);
  qmp->asked_id = qmp->last_id;
  qmp->answer = answer;
  qmp->answer_opaque = opaque;
  /* A few bytes, and never more than one of them on the way: there is room. */
  r = qmp->transport->calls->send (qmp->transport, request, now_ms ());
  if (r < 0 && r != -EBUSY)
    lose (qmp, -r);
  mark_rest (qmp);
  return qmp->lost ? -ENOTCONN : 0;
}

void
qmp_ask_forget (struct qmp *qmp)
{
  qmp->asked_id = 0;
}

int
qmp_session_wait_event (struct qmp *qmp, int64_t deadline_ms)
{
  json_object *late;
  int r = qmp->lost ? -ENOTCONN : receive (qmp, deadline_ms, &late);

  if (r == 0)
    json_object_put (late);     /* a late reply: as good as an event here */
  mark_rest (qmp);
  return r;
}

static void
hand_out (struct qmp *qmp)
{
  json_object *message;

  while ((message = g_queue_pop_head (&qmp->events)) != NULL) {
    if (qmp->handler != NULL)
      qmp->handler (qmp->handler_opaque, json_get_string (message, "event"),
                    json_get_object (message, "data"));
    json_object_put (message);
  }
}

int
qmp_dispatch (struct qmp *qmp)
{
  CLEANUP_JSON json_object *message = NULL;
  unsigned i;
  int r = 0;

  for (i = 0; i < DISPATCH_MAX && r == 0 && !qmp->lost; i++) {
    r = receive (qmp, 0, &message);
    if (r == 0 && message != NULL) {
      if (reply_id (qmp, message) == 0)
        lose (qmp, EPROTO);
      json_object_put (TAKE_PTR (message));
    }
  }
  hand_out (qmp);
  if (!qmp->lost)
    unmark_queue (qmp);
  mark_rest (qmp);
  return qmp->lost ? -ENOTCONN : 0;
}

const GQueue *
qmp_session_events (const struct qmp *qmp)
{
  return &qmp->events;
}

bool
qmp_is_lost (const struct qmp *qmp)
{
  return qmp->lost;
}

void
qmp_set_event_handler (struct qmp *qmp, qmp_event_fn handler, void *opaque)
{
  qmp->handler = handler;
  qmp->handler_opaque = opaque;
}

int
qmp_fd (const struct qmp *qmp)
{
  return qmp->poll_fd;
}

bool
qmp_has_command (const struct qmp *qmp, const char *command)
{
  return qmp->schema != NULL && qmp_schema_has (qmp->schema, command, "");
}

bool
qmp_has_member (const struct qmp *qmp, const char *command, const char *member)
{
  return qmp->schema != NULL && qmp_schema_has (qmp->schema, command, member);
}

/* --- opening ------------------------------------------------------------- */

static int
open_poll_fd (struct qmp *qmp, struct failure *why)
{
  struct epoll_event event = { .events = EPOLLIN };

  qmp->queue_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  qmp->poll_fd = epoll_create1 (EPOLL_CLOEXEC);
  if (qmp->queue_fd < 0 || qmp->poll_fd < 0
      || epoll_ctl (qmp->poll_fd, EPOLL_CTL_ADD, qmp->queue_fd, &event) < 0
      || epoll_ctl (qmp->poll_fd, EPOLL_CTL_ADD,
                    qmp->transport->fd, &event) < 0)
    return failure_set (why, FAILURE_GENERIC, errno, "cannot watch %s: %s",
                        qmp->transport->name, strerror (errno));
  return 0;
}

int
qmp_session_create (struct qmp_transport *transport, struct qmp **qmp,
                    struct failure *why)
{
  struct qmp *q = g_new0 (struct qmp, 1);
  int r;

  q->transport = transport;
  q->poll_fd = q->queue_fd = -1;
  g_queue_init (&q->events);
  r = open_poll_fd (q, why);
  if (r < 0)
    qmp_close (q);
  else
    *qmp = q;
  return r;
}

int
qmp_session_learn (struct qmp *qmp, int64_t deadline_ms, struct failure *why)
{
  json_object *types = NULL;
  int r;

  qmp_turn_take ();
  r = qmp_call (qmp, "query-qmp-schema", NULL,
                MAX (ms_left (deadline_ms), LEARN_LEAST_MS), &types, why);
  if (r == 0) {
    r = qmp_schema_create (types, &qmp->schema);
    if (r < 0)
      failure_set (why, FAILURE_QMP, -r, "%s: the reply to query-qmp-schema is "
                   "no schema", qmp->transport->name);
  }
  json_object_put (types);
  qmp_turn_give ();
  return r;
}

void
qmp_close (struct qmp *qmp)
{
  json_object *message;

  if (qmp == NULL)
    return;
  while ((message = g_queue_pop_head (&qmp->events)) != NULL)
    json_object_put (message);
  if (qmp->poll_fd >= 0)
    close (qmp->poll_fd);
  if (qmp->queue_fd >= 0)
    close (qmp->queue_fd);
  qmp->transport->calls->close (qmp->transport);
  qmp_schema_destroy (qmp->schema);
  g_free (qmp);
}

int
qmp_check_needed (const struct qmp *qmp, struct failure *why)
{
  return qmp_schema_check_needed (qmp->schema, qmp->transport->name, why);
}
