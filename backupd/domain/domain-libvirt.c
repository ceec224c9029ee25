/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvirt's UUID says which virtual machine this is, whatever it is called by now.  Which
 * disks it has, and by which names, is read from libvirt each time, as anybody may plug
 * one in or out. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include <glib.h>

#include "domain-libvirt.h"
#include "json-members.h"
#include "libvirt-link.h"
#include "libvirt-listing.h"

/* For what people are shown beside the disks. */
#define NAMES_MS 3000

bool
domain_libvirt_is (const struct domain *domain)
{
  return domain->registration->libvirt_uri != NULL;
}

static enum domain_state
state_of (int r)
{
  return r == 0 ? DOMAIN_RUNS : r == -ECONNREFUSED ? DOMAIN_OFF
         : r == -ENOENT ? DOMAIN_UNDEFINED : DOMAIN_STATE_UNKNOWN;
}

void
domain_libvirt_note (struct domain *domain, enum domain_state state, const char *name)
{
  pthread_mutex_lock (&domain->lock);
  domain->state = state;
  if (name != NULL) {
    g_free (domain->libvirt_name);
    domain->libvirt_name = g_strdup (name);
  }
  pthread_mutex_unlock (&domain->lock);
}

/* By name it may be another one: only the first time it is sought by that. */
static int
check_uuid (struct domain *domain, const struct libvirt_identity *identity,
            struct failure *why)
{
  struct domain_registration *registration = domain->registration;

  if (registration->libvirt_uuid == NULL)
    domain_registration_set_uuid (registration, identity->uuid);
  if (g_strcmp0 (registration->libvirt_uuid, identity->uuid) == 0)
    return 0;
  return failure_set (why, FAILURE_QMP, EHOSTUNREACH,
                      "libvirt at %s has given the virtual machine %s, not %s",
                      registration->libvirt_uri,
                      identity->uuid == NULL ? "?" : identity->uuid,
                      registration->libvirt_uuid);
}

int
domain_libvirt_open (struct domain *domain, int timeout_ms, struct qmp **qmp,
                     struct failure *why)
{
  const struct domain_registration *registration = domain->registration;
  const char *which = registration->libvirt_uuid != NULL
                      ? registration->libvirt_uuid
                      : registration->libvirt_domain;
  struct libvirt_identity identity = { .uuid = NULL };
  struct qmp *new = NULL;
  struct failure other = { .error = 0 };
  int r = libvirt_link_open (registration->libvirt_uri, which, timeout_ms,
                             &new, &identity, why);

  domain_libvirt_note (domain, state_of (r), identity.name);
  if (identity.uuid != NULL && check_uuid (domain, &identity, &other) < 0)
    r = failure_set (why, other.class, other.error, "%s", other.text);
  libvirt_identity_clear (&identity);
  if (r < 0)
    qmp_close (new);
  else
    *qmp = new;
  return r;
}

int
domain_libvirt_describe (struct domain *domain, struct failure *why)
{
  g_autofree char *text = NULL;
  struct xml_domain *xml = NULL;
  int r;

  if (!domain_libvirt_is (domain))
    return 0;
  r = libvirt_link_describe (domain->qmp, &text, why);
  if (r == 0)
    r = xml_domain_parse (text, &xml, why);
  if (r < 0)
    return r;
  xml_domain_destroy (domain->live_xml);
  domain->live_xml = xml;
  return 0;
}

void
domain_libvirt_note_forgotten (struct domain *domain, bool forgotten)
{
  char *sentence = !forgotten ? NULL : g_strdup_printf (
    "QEMU of domain %s (process %d) runs with its backup, but libvirt takes it "
    "for shut off and reaches it no more: do not start it there; shut it down "
    "from within, or have libvirt find it again, as libvirt.md of pullback's "
    "documentation says", domain->registration->name,
    (int) backup_qemu_process (domain->backup));

  pthread_mutex_lock (&domain->lock);
  g_free (domain->forgotten);
  domain->forgotten = sentence;
  pthread_mutex_unlock (&domain->lock);
}

/* Nobody else writes it. */
const char *
domain_libvirt_forgotten (const struct domain *domain)
{
  return domain->forgotten;
}

bool
domain_libvirt_is_off (struct domain *domain)
{
  bool off;

  pthread_mutex_lock (&domain->lock);
  off = domain->state == DOMAIN_OFF || domain->state == DOMAIN_UNDEFINED;
  pthread_mutex_unlock (&domain->lock);
  return off;
}

void
domain_libvirt_show (struct domain *domain, json_object *summary)
{
  static const char *const states[] = {
    [DOMAIN_STATE_UNKNOWN] = "unknown", [DOMAIN_RUNS] = "running",
    [DOMAIN_OFF] = "not running", [DOMAIN_UNDEFINED] = "undefined"
  };

  if (!domain_libvirt_is (domain))
    return;
  pthread_mutex_lock (&domain->lock);
  json_add_string (summary, "libvirt", domain->registration->libvirt_uri);
  json_add_string (summary, "libvirt-domain", domain->libvirt_name != NULL
                   ? domain->libvirt_name
                   : domain->registration->libvirt_domain);
  json_add_string (summary, "state", domain->forgotten != NULL ? "forgotten"
                   : states[domain->state]);
  json_add_known (summary, "problem", domain->forgotten);
  pthread_mutex_unlock (&domain->lock);
}

static void
move (json_object *from, const char *key, json_object *to, const char *name)
{
  json_object *list = json_get_array (from, key);

  if (json_length (list) > 0)
    json_object_object_add (to, name, json_object_get (list));
}

void
domain_libvirt_show_names (struct domain *domain, json_object *summary)
{
  const struct domain_registration *registration = domain->registration;
  CLEANUP_JSON json_object *names = NULL;
  struct failure why = { .error = 0 };
  uint64_t left_out;

  if (!domain_libvirt_is (domain) || registration->libvirt_uuid == NULL)
    return;
  if (libvirt_listing_read (registration->libvirt_uri,
                            registration->libvirt_uuid, NAMES_MS, &names,
                            &why) < 0) {
    json_add_string (summary, "libvirt-unknown", why.text);
    return;
  }
  move (names, "checkpoints", summary, "libvirt-checkpoints");
  move (names, "snapshots", summary, "libvirt-snapshots");
  left_out = json_get_u64 (names, "left-out");
  if (left_out > 0)
    json_add_u64 (summary, "libvirt-left-out", left_out);
}
