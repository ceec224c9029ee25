/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvirt knows all of it by itself.  The link is no read-only one, as to such a one it does not
 * tell passwords, without which a machine cannot be defined as it was. */
#include <config.h>

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include "json-members.h"
#include "json-stream.h"
#include "libvirt-describe.h"
#include "socket.h"

static const struct json_stream_rules rules = {
  .bytes = 64u << 20, .values = 100, .depth = 4, .lines = true
};

static void
keep_quiet (void *opaque, virErrorPtr error)
{
}

static json_object *
failed (void)
{
  json_object *o = json_with ("error", virGetLastErrorMessage ());

  json_add_i64 (o, "errno", virGetLastErrorCode () == VIR_ERR_NO_DOMAIN
                ? ENOENT : EREMOTEIO);
  return o;
}

/* MESSAGE is taken over. */
static int
say (json_object *message)
{
  g_autofree char *line = g_strconcat (
    json_object_to_json_string_ext (message, JSON_C_TO_STRING_PLAIN
                                    | JSON_C_TO_STRING_NOSLASHESCAPE),
    "\n", NULL);

  json_object_put (message);
  return socket_send (STDIN_FILENO, line, strlen (line), INT64_MAX) < 0;
}

/* --- what it is ------------------------------------------------------------------ */

static const char *
state_of (virDomainPtr handle)
{
  static const char *const states[] = {
    [VIR_DOMAIN_NOSTATE] = "running", [VIR_DOMAIN_RUNNING] = "running",
    [VIR_DOMAIN_BLOCKED] = "running", [VIR_DOMAIN_PAUSED] = "paused",
    [VIR_DOMAIN_SHUTDOWN] = "shutting down", [VIR_DOMAIN_SHUTOFF] = "shut off",
    [VIR_DOMAIN_CRASHED] = "crashed", [VIR_DOMAIN_PMSUSPENDED] = "suspended"
  };
  int state, reason;

  if (virDomainGetState (handle, &state, &reason, 0) < 0 || state < 0 ||
      (size_t) state >= G_N_ELEMENTS (states))
    return "unknown";
  return states[state];
}

static json_object *
identify (virDomainPtr handle)
{
  json_object *o = json_with ("name", virDomainGetName (handle));
  char uuid[VIR_UUID_STRING_BUFLEN];

  if (virDomainGetUUIDString (handle, uuid) == 0)
    json_add_string (o, "uuid", uuid);
  return o;
}

static json_object *
describe (virDomainPtr handle)
{
  char *xml = virDomainGetXMLDesc (handle, VIR_DOMAIN_XML_INACTIVE
                                   | VIR_DOMAIN_XML_SECURE);
  json_object *o;

  if (xml == NULL)
    return failed ();
  o = identify (handle);
  json_add_string (o, "state", state_of (handle));
  json_add_bool (o, "active", virDomainIsActive (handle) != 0);
  json_add_bool (o, "managed-save",
                 virDomainHasManagedSaveImage (handle, 0) != 0);
  json_add_string (o, "xml", xml);
  free (xml);
  return o;
}

int
libvirt_describe_run (const struct libvirt_choice *choice)
{
  virConnectPtr link;
  virDomainPtr handle = NULL;

  virSetErrorFunc (NULL, keep_quiet);
  link = virConnectOpen (choice->uri);
  if (link != NULL)
    handle = virDomainLookupByUUIDString (link, choice->domain);
  if (link != NULL && handle == NULL)
    handle = virDomainLookupByName (link, choice->domain);
  return say (handle == NULL ? failed () : describe (handle));
}

/* --- defining one ----------------------------------------------------------------- */

/* Who has defined it may have been killed before it could say so. */
static bool
is_there (virConnectPtr link, const struct libvirt_choice *choice,
          const char *name)
{
  virDomainPtr handle = virDomainLookupByUUIDString (link, choice->domain);

  return handle != NULL && g_strcmp0 (virDomainGetName (handle), name) == 0;
}

int
libvirt_describe_define (const struct libvirt_choice *choice)
{
  struct json_stream *stream = json_stream_create (STDIN_FILENO, &rules);
  json_object *given = NULL;
  virConnectPtr link;
  virDomainPtr handle = NULL;
  const char *xml;

  virSetErrorFunc (NULL, keep_quiet);
  if (stream == NULL || json_stream_read (stream, INT64_MAX, &given) < 0)
    return 1;
  xml = json_get_string (given, "xml");
  link = xml == NULL ? NULL : virConnectOpen (choice->uri);
  if (link != NULL && is_there (link, choice, json_get_string (given, "name")))
    handle = virDomainLookupByUUIDString (link, choice->domain);
  else if (link != NULL)
    handle = virDomainDefineXML (link, xml);
  return say (handle == NULL ? failed () : identify (handle));
}
