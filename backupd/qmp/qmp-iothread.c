/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* No query tells.  A device has the iothread as a property, or the one above it in QOM
 * has (of a virtio disk), or the device that its bus belongs to (of a SCSI disk). */
#include <config.h>

#include <errno.h>
#include <string.h>

#include <glib.h>

#include "json-members.h"
#include "qmp-iothread.h"

#define DEVICES "/machine/peripheral/"
/* More devices than that are on none another. */
#define DEPTH 16

/* 1: an object at PATH has KEY as VALUE, 0: none has. */
static int
has_object (struct qmp *qmp, const char *path, const char *key,
            const char *value, struct failure *why)
{
  CLEANUP_JSON json_object *objects = NULL;
  int r = qmp_call (qmp, "qom-list", json_with ("path", path),
                    QMP_TIMEOUT_MS, &objects, why);

  return r < 0 ? r : json_find (objects, key, value) != NULL;
}

int
qmp_iothread_any (struct qmp *qmp, struct failure *why)
{
  /* The folder comes with the first object. */
  int r = has_object (qmp, "/", "name", "objects", why);

  return r <= 0 ? r
         : has_object (qmp, "/objects", "type", "child<iothread>", why);
}

/* A new reference; NULL: there is no such property. */
static int
property (struct qmp *qmp, const char *path, const char *name,
          json_object **value, struct failure *why)
{
  json_object *arguments = json_with ("path", path);
  struct failure refusal = { .error = 0 };
  int r;

  *value = NULL;
  json_add_string (arguments, "property", name);
  r = qmp_call (qmp, "qom-get", arguments, QMP_TIMEOUT_MS, value, &refusal);
  if (r == 0 || r == -EREMOTEIO)
    return 0;
  return failure_set (why, refusal.class, -r, "%s", refusal.text);
}

/* The last part of a QOM path, or all of an id. */
static char *
last_part (const char *path)
{
  const char *slash = strrchr (path, '/');

  return g_strdup (slash == NULL ? path : slash + 1);
}

/* A link that leads somewhere, or a list that is not empty: its first.  1, 0 or
 * -errno. */
static int
is_set (struct qmp *qmp, const char *path, const char *name, char **id,
        struct failure *why)
{
  CLEANUP_JSON json_object *value = NULL;
  const char *first = NULL;
  int r = property (qmp, path, name, &value, why);

  if (r < 0)
    return r;
  if (json_object_is_type (value, json_type_string))
    first = json_object_get_string (value);
  else if (json_object_is_type (value, json_type_array) &&
           json_object_array_length (value) > 0)
    first = json_get_string (json_object_array_get_idx (value, 0), "iothread");
  else
    return 0;
  if (first != NULL && first[0] == '\0')
    return 0;
  g_free (*id);
  *id = first == NULL ? NULL : last_part (first);
  return 1;
}

/* Of the device at PATH alone. */
static int
is_served (struct qmp *qmp, const char *path, char **id, struct failure *why)
{
  int r = is_set (qmp, path, "iothread", id, why);

  return r != 0 ? r : is_set (qmp, path, "iothread-vq-mapping", id, why);
}

/* *PATH becomes that of the bus which the device is on, NULL: it is on none. */
static int
go_to_bus (struct qmp *qmp, char **path, struct failure *why)
{
  CLEANUP_JSON json_object *bus = NULL;
  int r = property (qmp, *path, "parent_bus", &bus, why);

  g_clear_pointer (path, g_free);
  if (r == 0 && json_object_is_type (bus, json_type_string) &&
      json_object_get_string_len (bus) > 0)
    *path = g_strdup (json_object_get_string (bus));
  return r;
}

/* The device at PATH and those above it; *TOP is the highest one's path. */
static int
branch_is_served (struct qmp *qmp, const char *path, char **top, char **id,
                  struct failure *why)
{
  g_autofree char *here = g_strdup (path);
  int r = 0;

  *top = g_strdup (path);
  while (r == 0 && g_str_has_prefix (here, DEVICES) &&
         here[strlen (DEVICES)] != '\0') {
    r = is_served (qmp, here, id, why);
    g_free (*top);
    *top = g_strdup (here);
    *strrchr (here, '/') = '\0';
  }
  return r;
}

static int
find (struct qmp *qmp, const char *qdev, char **id, struct failure *why)
{
  g_autofree char *path = qdev[0] == '/' ? g_strdup (qdev)
                          : g_strconcat (DEVICES, qdev, NULL);
  int r;

  for (int i = 0; i < DEPTH && path != NULL; i++) {
    char *top;

    r = branch_is_served (qmp, path, &top, id, why);
    g_free (path);
    path = top;
    if (r == 0)
      r = go_to_bus (qmp, &path, why);
    if (r != 0)
      return r;
  }
  return 0;
}

int
qmp_iothread_serves (struct qmp *qmp, const char *qdev, struct failure *why)
{
  g_autofree char *id = NULL;

  return qdev[0] == '\0' ? 1 : find (qmp, qdev, &id, why);
}

int
qmp_iothread_of (struct qmp *qmp, const char *qdev, char **id,
                 struct failure *why)
{
  g_autofree char *found = NULL;
  int r = find (qmp, qdev, &found, why);

  if (r < 0)
    return r;
  *id = g_steal_pointer (&found);
  return 0;
}
