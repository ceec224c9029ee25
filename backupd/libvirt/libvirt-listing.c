/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* By a program that is started for it, and killed where it does not answer: what libvirt is
 * slow to tell holds no session up. */
#include <config.h>

#include <errno.h>
#include <unistd.h>

#include "deadline.h"
#include "json-members.h"
#include "json-stream.h"
#include "libvirt-listing.h"
#include "libvirt-program.h"

static const struct json_stream_rules rules = {
  .bytes = 4u << 20, .values = 2000, .depth = 4, .lines = true, .lenient = true
};

static int
read_reply (int fd, int64_t deadline_ms, json_object **reply)
{
  struct json_stream *stream = json_stream_create (fd, &rules);
  int r = stream == NULL ? -ENOMEM
          : json_stream_read (stream, deadline_ms, reply);

  json_stream_destroy (stream);
  return r;
}

int
libvirt_listing_read (const char *uri, const char *uuid, int timeout_ms,
                      json_object **names, struct failure *why)
{
  CLEANUP_JSON json_object *reply = NULL;
  struct process process = { .pid = 0 };
  const char *error;
  int fd, r = libvirt_program_start (uri, uuid, "--names", &process, &fd, why);

  if (r < 0)
    return r;
  r = read_reply (fd, now_ms () + timeout_ms, &reply);
  libvirt_program_kill (&process);
  close (fd);
  if (r < 0)
    return failure_set (why, FAILURE_QMP, EHOSTUNREACH, "libvirt at %s does "
                        "not tell its own checkpoints and snapshots%s", uri,
                        r == -ETIMEDOUT ? " in time" : "");
  error = json_get_string (reply, "error");
  if (error != NULL)
    return failure_set (why, FAILURE_QMP, EREMOTEIO, "libvirt at %s does not "
                        "tell its own checkpoints and snapshots: %s", uri,
                        error);
  *names = json_object_get (reply);
  return 0;
}
