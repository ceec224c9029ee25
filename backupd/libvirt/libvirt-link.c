/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The program ends with its session.  Who it is for is known from its first words, also where it
 * then refuses: a machine that is off is one all the same. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include <glib.h>

#include "json-members.h"
#include "libvirt-greeting.h"
#include "libvirt-link.h"
#include "libvirt-program.h"
#include "qmp-helper.h"

/* libvirt asks nobody for that, and has it in milliseconds, but that it may wait for whoever
 * has the machine locked. */
#define DESCRIBE_MS 10000

struct link {
  char *uri;
  struct process process;
  struct libvirt_identity *identity;    /* of who opens it; only then */
};

/* --- libvirt's URIs -------------------------------------------------------- */

int
libvirt_link_check (const char *uri, struct failure *why)
{
  const char *rest = strstr (uri, "://");
  size_t length = rest == NULL ? 0 : (size_t) (rest - uri);

  if (length < 4 || strncmp (uri, "qemu", 4) != 0 ||
      (uri[4] != ':' && uri[4] != '+'))
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "'%.200s' is not a URI of libvirt's QEMU: use "
                        "qemu:///system or qemu:///session", uri);
  if ((length == 4 || (length == 9 && strncmp (uri, "qemu+unix", 9) == 0)) &&
      rest[3] == '/')
    return 0;
  return failure_set (why, FAILURE_BAD_ARGUMENT, EREMOTE,
                      "%.200s may be the libvirt of another host: run "
                      "pullback-backupd there, and give it qemu:///system",
                      uri);
}

/* --- the program ------------------------------------------------------------ */

static void
end (void *opaque)
{
  struct link *link = opaque;

  libvirt_program_end (link->uri, &link->process);
  g_free (link->uri);
  g_free (link);
}

/* --- what it says first ------------------------------------------------------ */

static void
take_text (json_object *object, const char *key, char **text)
{
  const char *value = json_get_string (object, key);

  if (value != NULL) {
    g_free (*text);
    *text = g_strdup (value);
  }
}

static int
meet (void *opaque, json_object *greeting, pid_t *pid, char **folder,
      struct failure *why)
{
  struct link *link = opaque;
  json_object *domain = json_get_object (greeting, "domain");
  json_object *error = json_get_object (greeting, "error");
  const char *text = json_get_string (error, "desc");
  const char *class = json_get_string (error, "class");
  int number = (int) json_get_u64 (error, "errno");

  take_text (domain, "uuid", &link->identity->uuid);
  take_text (domain, "name", &link->identity->name);
  link->identity = NULL;
  if (error != NULL && text != NULL && class != NULL && number > 0)
    return failure_set (why, failure_class_from_name (class), number, "%s",
                        text);
  *pid = (pid_t) json_get_u64 (domain, "pid");
  *folder = g_strdup (json_get_string (domain, "folder"));
  if (json_get_object (greeting, "QMP") != NULL && *pid > 0)
    return 0;
  return failure_set (why, FAILURE_QMP, EPROTO,
                      "pullback-libvirt is of another version of pullback than the "
                      "daemon: install both anew, and restart the daemon");
}

int
libvirt_link_open (const char *uri, const char *domain, int timeout_ms,
                   struct qmp **qmp, struct libvirt_identity *identity,
                   struct failure *why)
{
  g_autofree char *name = g_strdup_printf ("libvirt at %s", uri);
  struct link *link = g_new0 (struct link, 1);
  struct qmp_helper helper = {
    .name = name, .meet = meet, .end = end, .opaque = link
  };
  int r = libvirt_program_start (uri, domain, NULL, &link->process, &helper.fd,
                                 why);

  if (r < 0) {
    g_free (link);
    return r;
  }
  link->uri = g_strdup (uri);
  link->identity = identity;
  return qmp_open_helper (&helper, timeout_ms, qmp, why);
}

void
libvirt_identity_clear (struct libvirt_identity *identity)
{
  g_free (identity->uuid);
  g_free (identity->name);
  *identity = (struct libvirt_identity) { .uuid = NULL };
}

int
libvirt_link_describe (struct qmp *qmp, char **xml, struct failure *why)
{
  CLEANUP_JSON json_object *result = NULL;
  struct failure fault = { .error = 0 };
  const char *text;
  int r = qmp_call (qmp, LIBVIRT_DESCRIBE, NULL, DESCRIBE_MS, &result,
                    &fault);

  if (r == -ETIMEDOUT)
    return failure_set (why, FAILURE_TIMEOUT, ETIMEDOUT,
                        "libvirt did not say within %d s which disks the "
                        "virtual machine has: libvirtd is stopped, or waits "
                        "for something of that machine; try again later",
                        DESCRIBE_MS / 1000);
  if (r < 0)
    return failure_set (why, fault.class, -r, "%s", fault.text);
  text = json_get_string (result, "xml");
  if (text == NULL)
    return failure_set (why, FAILURE_QMP, EPROTO,
                        "libvirt gives no <domain> of the virtual machine");
  *xml = g_strdup (text);
  return 0;
}
