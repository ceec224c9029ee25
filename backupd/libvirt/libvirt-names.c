/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvirt knows them without QEMU, and tells them to a read-only link: so this holds nobody
 * up, and is held up by libvirtd alone. */
#include <config.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include "json-members.h"
#include "libvirt-names.h"
#include "socket.h"

static json_object *
add_list (json_object *all, const char *key)
{
  json_object *list = json_object_new_array ();

  json_object_object_add (all, key, list);
  return list;
}

/* NAME: NULL where libvirt has none to tell. */
static void
add (json_object *list, const char *name, uint64_t *left_out)
{
  if (name != NULL && json_length (list) < LIBVIRT_NAMES_MOST)
    json_object_array_add (list, json_object_new_string (name));
  else
    ++*left_out;
}

static int
add_checkpoints (virDomainPtr handle, json_object *all, uint64_t *left_out)
{
  virDomainCheckpointPtr *found = NULL;
  json_object *list = add_list (all, "checkpoints");
  int n = virDomainListAllCheckpoints (handle, &found,
                                       VIR_DOMAIN_CHECKPOINT_LIST_TOPOLOGICAL);

  for (int i = 0; i < n; i++) {
    add (list, virDomainCheckpointGetName (found[i]), left_out);
    virDomainCheckpointFree (found[i]);
  }
  free (found);
  return n < 0 ? -1 : 0;
}

static int
add_snapshots (virDomainPtr handle, json_object *all, uint64_t *left_out)
{
  virDomainSnapshotPtr *found = NULL;
  json_object *list = add_list (all, "snapshots");
  int n = virDomainListAllSnapshots (handle, &found,
                                     VIR_DOMAIN_SNAPSHOT_LIST_TOPOLOGICAL);

  for (int i = 0; i < n; i++) {
    add (list, virDomainSnapshotGetName (found[i]), left_out);
    virDomainSnapshotFree (found[i]);
  }
  free (found);
  return n < 0 ? -1 : 0;
}

static json_object *
list_all (virDomainPtr handle)
{
  json_object *all = json_object_new_object ();
  uint64_t left_out = 0;
  int r = add_checkpoints (handle, all, &left_out);

  if (r == 0)
    r = add_snapshots (handle, all, &left_out);
  if (r == 0) {
    json_add_u64 (all, "left-out", left_out);
    return all;
  }
  json_object_put (all);
  return NULL;
}

static void
keep_quiet (void *opaque, virErrorPtr error)
{
}

int
libvirt_names_run (const struct libvirt_choice *choice)
{
  virConnectPtr link;
  virDomainPtr handle = NULL;
  json_object *all = NULL;
  g_autofree char *line = NULL;

  virSetErrorFunc (NULL, keep_quiet);
  link = virConnectOpenReadOnly (choice->uri);
  if (link != NULL)
    handle = virDomainLookupByUUIDString (link, choice->domain);
  if (handle != NULL)
    all = list_all (handle);
  if (all == NULL)
    all = json_with ("error", virGetLastErrorMessage ());
  line = g_strconcat (json_object_to_json_string_ext (
                        all, JSON_C_TO_STRING_PLAIN), "\n", NULL);
  return socket_send (STDIN_FILENO, line, strlen (line), INT64_MAX) < 0;
}
