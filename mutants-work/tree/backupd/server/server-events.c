/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An event comes from a domain's thread, which a client must not hold up: it is
 * sent without waiting, or kept while a reply is under way, whose text it must
 * not get into. */
#include <config.h>

#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include <glib.h>

#include "server-events.h"
#include "control-message.h"
#include "json-members.h"
#include "log.h"
#include "socket.h"

/* More than one reply's time can bring. */
#define PENDING_MAX 256

struct server_outbox {
  int fd;
  pthread_mutex_t lock;         /* protects the rest; never held in a wait */
  bool writing;                 /* a reply is under way */
  GPtrArray *pending;           /* lines for when it has gone */
};

static pthread_mutex_t outboxes_lock = PTHREAD_MUTEX_INITIALIZER;
static GPtrArray *outboxes;     /* taken before any outbox's own lock */

struct server_outbox *
server_outbox_create (int fd)
{
  struct server_outbox *outbox = g_new0 (struct server_outbox, 1);

  outbox->fd = fd;
  outbox->pending = g_ptr_array_new_with_free_func (g_free);
  pthread_mutex_init (&outbox->lock, NULL);
  pthread_mutex_lock (&outboxes_lock);
  if (outboxes == NULL)
    outboxes = g_ptr_array_new ();
  g_ptr_array_add (outboxes, outbox);
  pthread_mutex_unlock (&outboxes_lock);
  return outbox;
}

void
server_outbox_destroy (struct server_outbox *outbox)
{
  pthread_mutex_lock (&outboxes_lock);
  g_ptr_array_remove_fast (outboxes, outbox);
  if (outboxes->len == 0)
    g_clear_pointer (&outboxes, g_ptr_array_unref);
  pthread_mutex_unlock (&outboxes_lock);
  pthread_mutex_destroy (&outbox->lock);
  g_ptr_array_unref (outbox->pending);
  g_free (outbox);
}

static void
send_line_locked (const struct server_outbox *outbox, const char *line)
{
  if (socket_send (outbox->fd, line, strlen (line), 0) == 0)
    return;
  log_debug ("a control client that does not read its events is cut off");
  shutdown (outbox->fd, SHUT_RDWR);
}

int
server_outbox_send (struct server_outbox *outbox, json_object *message)
{
  guint i;
  int r;

  pthread_mutex_lock (&outbox->lock);
  outbox->writing = true;
  pthread_mutex_unlock (&outbox->lock);
  r = control_message_write (outbox->fd, message);
  pthread_mutex_lock (&outbox->lock);
  for (i = 0; r == 0 && i < outbox->pending->len; i++)
    send_line_locked (outbox, g_ptr_array_index (outbox->pending, i));
  g_ptr_array_set_size (outbox->pending, 0);
  outbox->writing = false;
  pthread_mutex_unlock (&outbox->lock);
  return r;
}

/* As QMP has it. */
static json_object *
timestamp (void)
{
  json_object *object = json_object_new_object ();
  gint64 now = g_get_real_time ();

  json_add_i64 (object, "seconds", now / G_USEC_PER_SEC);
  json_add_i64 (object, "microseconds", now % G_USEC_PER_SEC);
  return object;
}

void
server_events_emit (const char *event, json_object *data)
{
  json_object *message = control_message_event (event, data);
  g_autofree char *line = NULL;
  guint i;

  json_object_object_add (message, "timestamp", timestamp ());
  line = g_strconcat (json_object_to_json_string_ext (
                        message, JSON_C_TO_STRING_PLAIN |
                        JSON_C_TO_STRING_NOSLASHESCAPE), "\n", NULL);
  json_object_put (message);
  pthread_mutex_lock (&outboxes_lock);
  for (i = 0; outboxes != NULL && i < outboxes->len; i++) {
    struct server_outbox *outbox = g_ptr_array_index (outboxes, i);

    pthread_mutex_lock (&outbox->lock);
    if (!outbox->writing)
      send_line_locked (outbox, line);
    else if (outbox->pending->len < PENDING_MAX)
      g_ptr_array_add (outbox->pending, g_strdup (line));
    pthread_mutex_unlock (&outbox->lock);
  }
  pthread_mutex_unlock (&outboxes_lock);
}
