/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* domain-add --all: each virtual machine as if it had been added by itself.  What cannot
 * be is said, and keeps no other from being added; what is here already is left alone, so
 * that the same command can be given again and again. */
#include <config.h>

#include <errno.h>
#include <fnmatch.h>
#include <string.h>

#include <glib.h>

#include "deadline.h"
#include "domain-registry.h"
#include "json-members.h"
#include "libvirt-link.h"
#include "libvirt-watch.h"
#include "name.h"
#include "requests-domain-all.h"

/* For libvirt to list them. */
#define LIST_MS 15000

struct all {
  struct domain_registry *registry;
  const struct arguments_domain_add *given;
  json_object *known;           /* {UUID: null} of what is here already */
  json_object *added;           /* names */
  json_object *skipped;         /* {"name", "reason"} */
};

static int
check (const struct arguments_domain_add *given, struct failure *why)
{
  if (given->libvirt == NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "--all needs --libvirt URI, such as qemu:///system");
  if (given->name != NULL || given->libvirt_domain != NULL ||
      given->disks.n > 0)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "--all adds machines by their own names: it does "
                        "without NAME, --libvirt-domain and --disk");
  return libvirt_link_check (given->libvirt, why);
}

static int
list_machines (const char *uri, json_object **machines, struct failure *why)
{
  struct libvirt_watch *watch;
  int r = libvirt_watch_open (uri, &watch, why);

  if (r < 0)
    return r;
  r = libvirt_watch_read (watch, now_ms () + LIST_MS, machines, why);
  libvirt_watch_close (watch);
  return r;
}

static void
note_known (struct domain *domain, void *known)
{
  const char *uuid = domain->registration->libvirt_uuid;

  if (uuid != NULL)
    json_object_object_add (known, uuid, NULL);
}

static void
skip (struct all *all, const char *name, const char *reason)
{
  json_object *one = json_with ("name", name);

  json_add_string (one, "reason", reason);
  json_object_array_add (all->skipped, one);
}

static void
add_one (struct all *all, const char *name, const char *uuid)
{
  struct arguments_domain_add given = *all->given;
  struct domain_registration *registration = NULL;
  struct failure why = { .error = 0 };
  int r;

  if (!name_is_domain (name)) {
    skip (all, name, "that is no name for a domain here: give it one by "
          "domain-add NAME --libvirt-domain");
    return;
  }
  given.name = name;
  given.libvirt_domain = uuid;
  r = domain_registration_create (&given, &registration, &why);
  if (r == 0)
    r = domain_registry_add (all->registry, registration, &why);
  if (r < 0)
    skip (all, name, why.text);
  else
    json_object_array_add (all->added, json_object_new_string (name));
}

int
requests_domain_add_all (struct domain_registry *registry,
                         const struct arguments_domain_add *given,
                         json_object **result, struct failure *why)
{
  CLEANUP_JSON json_object *machines = NULL;
  CLEANUP_JSON json_object *known = json_object_new_object ();
  struct all all = { .registry = registry, .given = given, .known = known };
  size_t i;
  int r = check (given, why);

  if (r == 0)
    r = list_machines (given->libvirt, &machines, why);
  if (r < 0)
    return r;
  all.added = json_object_new_array ();
  all.skipped = json_object_new_array ();
  domain_registry_each (registry, note_known, known);
  for (i = 0; i < json_length (machines); i++) {
    json_object *machine = json_object_array_get_idx (machines, i);
    const char *name = json_get_string (machine, "name");
    const char *uuid = json_get_string (machine, "uuid");

    if (name != NULL && uuid != NULL &&
        !json_object_object_get_ex (known, uuid, NULL) &&
        (given->match == NULL || fnmatch (given->match, name, 0) == 0))
      add_one (&all, name, uuid);
  }
  *result = json_object_new_object ();
  json_object_object_add (*result, "added", all.added);
  json_object_object_add (*result, "skipped", all.skipped);
  return 0;
}
