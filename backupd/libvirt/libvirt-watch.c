/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whole lists, not changes: who misses one has all of it with the next. */
#include <config.h>

#include <errno.h>
#include <unistd.h>

#include <glib.h>

#include "json-members.h"
#include "json-stream.h"
#include "libvirt-program.h"
#include "libvirt-watch.h"

struct libvirt_watch {
  char *uri;
  struct process process;
  int fd;
  struct json_stream *stream;
};

int
libvirt_watch_open (const char *uri, struct libvirt_watch **watch,
                    struct failure *why)
{
  static const struct json_stream_rules rules = {
    .bytes = 64u << 20, .values = 500000, .depth = 8, .lines = true,
    .lenient = true
  };
  struct libvirt_watch *new = g_new0 (struct libvirt_watch, 1);
  int r = libvirt_program_start (uri, NULL, "--watch", &new->process, &new->fd,
                                 why);

  if (r < 0) {
    g_free (new);
    return r;
  }
  new->uri = g_strdup (uri);
  new->stream = json_stream_create (new->fd, &rules);
  if (new->stream == NULL) {
    libvirt_watch_close (new);
    return failure_set (why, FAILURE_GENERIC, ENOMEM, "out of memory");
  }
  *watch = new;
  return 0;
}

void
libvirt_watch_close (struct libvirt_watch *watch)
{
  if (watch == NULL)
    return;
  libvirt_program_kill (&watch->process);
  json_stream_destroy (watch->stream);
  close (watch->fd);
  g_free (watch->uri);
  g_free (watch);
}

int
libvirt_watch_fd (const struct libvirt_watch *watch)
{
  return watch->fd;
}

int
libvirt_watch_read (struct libvirt_watch *watch, int64_t deadline_ms,
                    json_object **domains, struct failure *why)
{
  CLEANUP_JSON json_object *message = NULL;
  json_object *list, *error;
  int r = json_stream_read (watch->stream, deadline_ms, &message);

  if (r < 0)
    return failure_set (why, r == -ETIMEDOUT ? FAILURE_TIMEOUT : FAILURE_QMP,
                        -r, r == -ETIMEDOUT ? "libvirt at %s does not answer"
                        : "the link to libvirt at %s is lost", watch->uri);
  list = json_get_array (message, "domains");
  if (list != NULL) {
    *domains = json_object_get (list);
    return 0;
  }
  error = json_get_object (message, "error");
  return failure_set (why, FAILURE_QMP, EHOSTUNREACH, "%s",
                      json_get_string (error, "desc") == NULL
                      ? "pullback-libvirt is of another version"
                      : json_get_string (error, "desc"));
}
