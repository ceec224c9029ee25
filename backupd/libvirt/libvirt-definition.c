/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* By a program that is started for it, as with libvirt-listing.c.  One that is killed because it is
 * late may have defined the machine all the same. */
#include <config.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "deadline.h"
#include "json-members.h"
#include "json-stream.h"
#include "libvirt-definition.h"
#include "libvirt-program.h"
#include "socket.h"

/* A <domain> of 8 MiB may be six times as long as JSON. */
static const struct json_stream_rules rules = {
  .bytes = 64u << 20, .values = 100, .depth = 4, .lines = true, .lenient = true
};

static int
ask (const char *uri, const char *domain, const char *what, json_object *given,
     int64_t deadline_ms, json_object **reply, struct failure *why)
{
  struct process process = { .pid = 0 };
  struct json_stream *stream;
  g_autofree char *line = given == NULL ? NULL
                          : g_strconcat (json_object_to_json_string_ext (
                                           given, JSON_C_TO_STRING_PLAIN),
                                         "\n", NULL);
  int fd, r = libvirt_program_start (uri, domain, what, &process, &fd, why);

  if (r < 0)
    return r;
  if (line != NULL)
    r = socket_send (fd, line, strlen (line), deadline_ms);
  stream = json_stream_create (fd, &rules);
  if (r >= 0)
    r = stream == NULL ? -ENOMEM : json_stream_read (stream, deadline_ms, reply);
  json_stream_destroy (stream);
  libvirt_program_kill (&process);
  close (fd);
  if (r < 0)
    return failure_set (why, FAILURE_QMP, EHOSTUNREACH, "libvirt at %s does not "
                        "answer%s", uri, r == -ETIMEDOUT ? " in time" : "");
  return 0;
}

/* --- reading --------------------------------------------------------------------- */

static char *
take (json_object *reply, const char *key)
{
  return g_strdup (json_get_string (reply, key));
}

static int
read_error (const char *uri, const char *domain, json_object *reply,
            struct failure *why)
{
  const char *error = json_get_string (reply, "error");

  if (json_get_u64 (reply, "errno") == ENOENT)
    return failure_set (why, FAILURE_DOMAIN_NOT_FOUND, ENOENT, "libvirt at %s "
                        "has no virtual machine %s: see virsh -c %s list --all",
                        uri, domain, uri);
  return failure_set (why, FAILURE_QMP, EREMOTEIO, "libvirt at %s does not say "
                      "what %s is: %s", uri, domain,
                      error == NULL ? "it says nothing of it" : error);
}

int
libvirt_definition_read (const char *uri, const char *domain, int timeout_ms,
                         struct libvirt_definition *definition,
                         struct failure *why)
{
  CLEANUP_JSON json_object *reply = NULL;
  int r = ask (uri, domain, "--describe", NULL, now_ms () + timeout_ms, &reply,
               why);

  if (r < 0)
    return r;
  if (json_get_string (reply, "xml") == NULL ||
      json_get_string (reply, "name") == NULL ||
      json_get_string (reply, "uuid") == NULL ||
      json_get_string (reply, "state") == NULL)
    return read_error (uri, domain, reply, why);
  *definition = (struct libvirt_definition) {
    .name = take (reply, "name"), .uuid = take (reply, "uuid"),
    .state = take (reply, "state"), .xml = take (reply, "xml"),
    .active = json_get_bool (reply, "active"),
    .saved = json_get_bool (reply, "managed-save")
  };
  return 0;
}

void
libvirt_definition_clear (struct libvirt_definition *definition)
{
  g_free (definition->name);
  g_free (definition->uuid);
  g_free (definition->state);
  g_free (definition->xml);
  *definition = (struct libvirt_definition) { .name = NULL };
}

/* --- making ------------------------------------------------------------------------ */

int
libvirt_definition_store (const char *uri, const char *name, const char *uuid,
                          const char *xml, int timeout_ms, struct failure *why)
{
  CLEANUP_JSON json_object *given = json_with ("name", name), *reply = NULL;
  const char *error;
  int r;

  json_add_string (given, "xml", xml);
  r = ask (uri, uuid, "--define", given, now_ms () + timeout_ms, &reply, why);
  if (r < 0)
    return r;
  error = json_get_string (reply, "error");
  if (error == NULL && json_get_string (reply, "uuid") != NULL)
    return 0;
  return failure_set (why, FAILURE_QMP, EREMOTEIO, "libvirt at %s does not "
                      "define %s: %s", uri, name,
                      error == NULL ? "it says nothing of it" : error);
}
