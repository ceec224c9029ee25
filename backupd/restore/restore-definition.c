/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* It comes last: before its disks are whole there is none that could be started. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "file.h"
#include "json-members.h"
#include "libvirt-definition.h"
#include "restore-definition.h"

/* For libvirt to define it. */
#define DEFINE_MS 10000
/* As of what is written here. */
#define XML_MAX (8u << 20)

void
restore_definition_set (struct restore *restore,
                     const struct restore_definition *machine)
{
  json_object *o;

  if (machine == NULL)
    return;
  o = json_with ("name", machine->name);
  json_add_string (o, "uuid", machine->uuid);
  json_add_string (o, "xml", machine->xml);
  json_add_known (o, "libvirt", machine->uri);
  json_add_known (o, "path", machine->path);
  json_object_put (restore->definition);
  restore->definition = o;
}

void
restore_definition_show (const struct restore *restore, json_object *info)
{
  static const char *const shown[] = { "name", "uuid", "libvirt", "path" };
  json_object *o;

  if (restore->definition == NULL)
    return;
  o = json_object_new_object ();
  for (size_t i = 0; i < G_N_ELEMENTS (shown); i++)
    json_add_known (o, shown[i], json_get_string (restore->definition, shown[i]));
  json_object_object_add (info, "machine", o);
}

/* Somebody may have made another file of that name meanwhile. */
static int
write_xml (const char *path, const char *xml, struct failure *why)
{
  CLEANUP_FREE char *found = NULL;
  int r = file_read (path, XML_MAX, &found, NULL);

  if (r == 0 && strcmp (found, xml) == 0)
    return 0;
  if (r != -ENOENT)
    return failure_set (why, FAILURE_EXISTS, EEXIST, "%s has come to be "
                        "meanwhile: move it away, then commit again", path);
  r = file_replace (path, xml, strlen (xml));
  return r == 0 ? 0
         : failure_set (why, FAILURE_STORAGE, -r, "cannot write %s: %s", path,
                        g_strerror (-r));
}

int
restore_definition_make (void *context, struct failure *why)
{
  const struct restore *restore = context;
  json_object *machine = restore->definition;
  const char *uri = json_get_string (machine, "libvirt");
  const char *path = json_get_string (machine, "path");
  const char *xml = json_get_string (machine, "xml");

  if (xml == NULL)
    return 0;
  if (uri == NULL)
    return path == NULL ? 0 : write_xml (path, xml, why);
  return libvirt_definition_store (uri, json_get_string (machine, "name"),
                                   json_get_string (machine, "uuid"), xml,
                                   DEFINE_MS, why);
}
