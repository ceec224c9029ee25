/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QEMU tells of its own writes only.  Whoever shares an image has to say so to QEMU, which
 * locks it else: the device then lets others write, which the block graph shows of all
 * devices at once, and without it the device's property.  A device that hands the guest's
 * SCSI commands on is of a type of its own. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include <glib.h>

#include "json-members.h"
#include "qmp-device.h"
#include "qmp-graph.h"

#define DEVICES "/machine/peripheral"

static const char shareable[] =
  "shareable (another virtual machine may write to it unseen)";
static const char passed_through[] =
  "passed through (the guest writes to it unseen)";

/* A refusal is no failure: *REPLY is NULL then. */
static int
ask (struct qmp *qmp, const char *command, json_object *arguments,
     json_object **reply, struct failure *why)
{
  struct failure refusal = { .error = 0 };
  int r = qmp_call (qmp, command, arguments, QMP_TIMEOUT_MS, reply, &refusal);

  if (r == 0 || r == -EREMOTEIO)
    return 0;
  return failure_set (why, refusal.class, -r, "%s", refusal.text);
}

/* 1, 0 or -errno.  DEVICE is a path, or an id. */
static int
has_property (struct qmp *qmp, const char *device, struct failure *why)
{
  g_autofree char *path =
    g_strconcat (device[0] == '/' ? "" : DEVICES "/", device, NULL);
  CLEANUP_JSON json_object *value = NULL;
  json_object *arguments = json_with ("path", path);
  int r;

  json_add_string (arguments, "property", "share-rw");
  r = ask (qmp, "qom-get", arguments, &value, why);
  return r < 0 ? r : value != NULL && json_object_get_boolean (value);
}

static int
is_shared (struct qmp *qmp, json_object *graph, const struct qmp_disk *disk,
           struct failure *why)
{
  if (graph == NULL)
    return has_property (qmp, disk->qdev, why);
  return qmp_graph_is_shared (graph, disk->device[0] != '\0' ? disk->device
                                                             : disk->qdev);
}

/* Of TYPES, what there is in DEVICES. */
static bool
is_passed_through (json_object *types, const struct qmp_disk *disk)
{
  const char *id = g_str_has_prefix (disk->qdev, DEVICES "/")
                   ? disk->qdev + strlen (DEVICES "/") : disk->qdev;
  json_object *device = json_find (types, "name", id);

  return json_has_string (device, "type", "child<scsi-block>") ||
         json_has_string (device, "type", "child<scsi-generic>");
}

int
qmp_device_look (struct qmp *qmp, struct qmp_disks *disks, struct failure *why)
{
  json_object *graph = disks->survey == NULL ? NULL
                       : qmp_survey_graph (disks->survey);
  CLEANUP_JSON json_object *types = NULL;
  int r = ask (qmp, "qom-list", json_with ("path", DEVICES), &types, why);

  for (size_t i = 0; r == 0 && i < disks->n; i++) {
    struct qmp_disk *disk = &disks->disks[i];
    int shared;

    if (disk->qdev[0] == '\0' || disk->empty || disk->read_only)
      continue;
    shared = is_shared (qmp, graph, disk, why);
    if (shared < 0)
      r = shared;
    else
      disk->unseen = shared > 0 ? shareable
                     : is_passed_through (types, disk) ? passed_through : NULL;
  }
  return r;
}
