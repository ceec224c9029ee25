/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The file has what domain-add was given, and is checked as that is, by the table of
 * commands: it may have been edited, or be of a later version. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include <glib.h>

#include "control-commands.h"
#include "domain-registration.h"
#include "file.h"
#include "json-members.h"
#include "libvirt-agent.h"
#include "libvirt-link.h"

#define FORMAT 1
/* What libvirt said, and domain-add was not told. */
#define UUID "libvirt-uuid"

struct disk_choice *
domain_choices_parse (json_object *list, size_t *n)
{
  struct disk_choice *choices;
  size_t i;

  *n = list == NULL ? 0 : json_object_array_length (list);
  choices = g_new0 (struct disk_choice, *n + 1);
  for (i = 0; i < *n; i++) {
    const char *node;
    const char *spec =
      json_object_get_string (json_object_array_get_idx (list, i));
    size_t length = control_disk_split (spec, &node);

    choices[i].name = g_strndup (spec, length);
    choices[i].node = g_strdup (node);
  }
  return choices;
}

void
domain_choices_free (struct disk_choice *choices, size_t n)
{
  size_t i;

  for (i = 0; i < n; i++) {
    g_free ((char *) choices[i].name);
    g_free ((char *) choices[i].node);
  }
  g_free (choices);
}

void
domain_registration_destroy (struct domain_registration *registration)
{
  if (registration == NULL)
    return;
  domain_choices_free (registration->disks, registration->n_disks);
  xml_domain_destroy (registration->xml);
  g_free (registration->xml_text);
  g_free (registration->name);
  g_free (registration->qmp_path);
  g_free (registration->libvirt_uri);
  g_free (registration->libvirt_domain);
  g_free (registration->libvirt_uuid);
  g_free (registration->libvirt_agent);
  g_free (registration->agent_path);
  g_free (registration);
}

/* Either by its socket or by libvirt, which has all else. */
static int
check_way (const struct arguments_domain_add *given, struct failure *why)
{
  if (given->name == NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "domain-add needs a NAME, or --all");
  if (given->libvirt == NULL && given->qmp == NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "domain-add needs --libvirt URI (qemu:///system), or "
                        "--qmp PATH for a virtual machine that is not "
                        "libvirt's");
  if (given->libvirt == NULL)
    return given->libvirt_domain == NULL ? 0
           : failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                          "--libvirt-domain needs --libvirt");
  if (given->qmp != NULL || given->agent != NULL || given->xml != NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "--libvirt does without --qmp, --agent and --xml: "
                        "libvirt knows all of that");
  return libvirt_link_check (given->libvirt, why);
}

int
domain_registration_create (const struct arguments_domain_add *given,
                            struct domain_registration **registration,
                            struct failure *why)
{
  const char *name = given->name;
  struct xml_domain *xml = NULL;
  struct domain_registration *new;
  int r;

  r = check_way (given, why);
  if (r < 0)
    return r;
  /* RUNTIME/control.sock and RUNTIME/DOMAIN.sock are sockets, STATE/fleece is
   * the scratch folder. */
  if (strcmp (name, "control") == 0 || strcmp (name, "fleece") == 0 ||
      g_str_has_suffix (name, ".sock"))
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "a domain cannot be called %s: pullback has a file "
                        "of that name, choose another one", name);
  if (given->xml != NULL) {
    r = xml_domain_parse (given->xml, &xml, why);

    if (r < 0)
      return r;
  }
  new = g_new0 (struct domain_registration, 1);
  new->xml = xml;
  new->xml_text = g_strdup (given->xml);
  new->name = g_strdup (name);
  new->qmp_path = g_strdup (given->qmp);
  new->libvirt_uri = g_strdup (given->libvirt);
  if (given->libvirt != NULL)
    new->libvirt_domain = g_strdup (given->libvirt_domain != NULL
                                    ? given->libvirt_domain : name);
  new->agent_path = g_strdup (given->agent);
  new->disks = domain_choices_parse (given->disks.array, &new->n_disks);
  *registration = new;
  return 0;
}

void
domain_registration_set_uuid (struct domain_registration *registration,
                              const char *uuid)
{
  g_free (registration->libvirt_uuid);
  g_free (registration->libvirt_agent);
  registration->libvirt_uuid = g_strdup (uuid);
  registration->libvirt_agent =
    libvirt_agent_name (registration->libvirt_uri, uuid);
}

const char *
domain_registration_agent (const struct domain_registration *registration)
{
  return registration->agent_path != NULL ? registration->agent_path
         : registration->libvirt_agent;
}

static json_object *
to_json (const struct domain_registration *registration)
{
  json_object *object = json_object_new_object ();
  json_object *disks = json_object_new_array ();
  size_t i;

  for (i = 0; i < registration->n_disks; i++) {
    const struct disk_choice *disk = &registration->disks[i];
    g_autofree char *spec =
      g_strjoin (disk->node ? "=" : NULL, disk->name, disk->node, NULL);

    json_object_array_add (disks, json_object_new_string (spec));
  }
  json_add_i64 (object, "format", FORMAT);
  json_add_string (object, "name", registration->name);
  json_add_known (object, "qmp", registration->qmp_path);
  json_add_known (object, "libvirt", registration->libvirt_uri);
  json_add_known (object, "libvirt-domain", registration->libvirt_domain);
  json_add_known (object, UUID, registration->libvirt_uuid);
  json_add_known (object, "agent", registration->agent_path);
  json_object_object_add (object, "disks", disks);
  json_add_known (object, "xml", registration->xml_text);
  return object;
}

int
domain_registration_store (const struct domain_registration *registration,
                           const char *path, struct failure *why)
{
  json_object *object = to_json (registration);
  size_t length;
  const char *text = json_object_to_json_string_length (
    object, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE, &length);
  int r = file_replace (path, text, length);

  json_object_put (object);
  if (r < 0)
    return failure_set (why, FAILURE_STORAGE, -r,
                        "cannot write the registration %s: %s", path,
                        g_strerror (-r));
  return 0;
}

static int
read_text (const char *text, struct domain_registration **registration,
           struct failure *why)
{
  const struct control_command *add = control_command_find ("domain-add");
  CLEANUP_JSON json_object *object = json_tokener_parse (text);
  struct control_arguments *arguments = NULL;
  g_autofree char *uuid = NULL;
  int r;

  if (!json_object_is_type (object, json_type_object))
    return failure_set (why, FAILURE_STORAGE, EINVAL, "it is no JSON object");
  if (json_get_u64 (object, "format") != FORMAT)
    return failure_set (why, FAILURE_STORAGE, EINVAL,
                        "its format is not %d", FORMAT);
  json_object_object_del (object, "format");
  uuid = g_strdup (json_get_string (object, UUID));
  json_object_object_del (object, UUID);
  r = control_arguments_decode (add, object, &arguments, why);
  if (r == 0)
    r = domain_registration_create ((const void *) arguments, registration,
                                    why);
  if (r == 0 && uuid != NULL && (*registration)->libvirt_uri != NULL)
    domain_registration_set_uuid (*registration, uuid);
  control_arguments_free (arguments);
  return r;
}

int
domain_registration_load (const char *path,
                          struct domain_registration **registration,
                          struct failure *why)
{
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;
  struct failure fault = { .error = 0 };
  int r;

  if (!g_file_get_contents (path, &text, NULL, &error))
    return failure_set (why, FAILURE_STORAGE, EIO, "%s", error->message);
  r = read_text (text, registration, &fault);
  if (r < 0)
    return failure_set (why, FAILURE_STORAGE, -r,
                        "%s is not a usable registration: %s", path,
                        fault.text);
  return 0;
}
