/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A backup as the JSON object that backup-begin and backup-info return. */
#include <config.h>

#include <string.h>
#include <sys/stat.h>

#include "backup-expiry.h"
#include "backup-gateway.h"
#include "backup-quiesce.h"
#include "backup-since.h"
#include "name.h"

static void
add_text (json_object *o, const char *name, const char *text)
{
  json_object_object_add (o, name,
                          text == NULL ? NULL : json_object_new_string (text));
}

static void
add_number (json_object *o, const char *name, uint64_t value)
{
  json_object_object_add (o, name, json_object_new_int64 ((int64_t) value));
}

/* Bytes that the fleece store takes on its file system. */
static uint64_t
fleece_bytes (const struct backup *backup, const struct backup_disk *disk)
{
  g_autofree char *path = g_strdup_printf ("%s/%s.data",
                                           backup->scratch_folder, disk->name);
  struct stat st;

  /* A look at storage that hangs may hang as well. */
  if (backup->store_hangs)
    return 0;
  return stat (path, &st) < 0 ? 0 : (uint64_t) st.st_blocks * 512;
}

static json_object *
info_since (const struct backup *backup, const struct backup_disk *disk,
           const struct backup_since *since)
{
  json_object *o = json_object_new_object ();
  g_autofree char *name = backup_since_public (disk, since);
  g_autofree char *uri = backup_gateway_uri (backup, name);

  add_text (o, "checkpoint", since->checkpoint);
  add_text (o, "context", since->context);
  add_number (o, "dirty-bytes", since->dirty_bytes);
  add_text (o, "uri-dirty", uri);
  return o;
}

static json_object *
info_disk (const struct backup *backup, const struct backup_disk *disk)
{
  json_object *o = json_object_new_object ();
  json_object *bases = json_object_new_array ();
  g_autofree char *uri = backup_gateway_uri (backup, disk->export_name);
  struct backup_since *since;

  add_text (o, "name", disk->name);
  add_text (o, "node", disk->node);
  add_number (o, "size", disk->size);
  add_text (o, "mode", disk->incremental ? "incremental" : "full");
  add_text (o, "reason", disk->reason);
  add_text (o, "incremental", disk->incremental ? disk->asked_since : NULL);
  add_text (o, "export", disk->export_name);
  add_number (o, "consecutive-fulls", disk->consecutive_fulls);
  add_text (o, "source", disk->image != NULL ? "direct" : "relay");
  add_text (o, "uri", uri);
  add_number (o, "fleece-bytes", fleece_bytes (backup, disk));
  FOR_EACH_SINCE (disk, since) {
    if (strcmp (since->label, INCREMENTAL_LABEL) == 0) {
      g_autofree char *name = backup_since_public (disk, since);
      g_autofree char *dirty_uri = backup_gateway_uri (backup, name);

      add_number (o, "dirty-bytes", since->dirty_bytes);
      add_text (o, "uri-dirty", dirty_uri);
      add_text (o, "context", since->context);
    } else
      json_object_array_add (bases, info_since (backup, disk, since));
  }
  for (size_t i = 0; i < json_object_array_length (disk->unanswered); i++)
    json_object_array_add (bases, json_object_get (
      json_object_array_get_idx (disk->unanswered, i)));
  json_object_object_add (o, "bases", bases);
  return o;
}

static void
info_processes (const struct backup *backup, json_object *o)
{
  struct { const char *role; struct process_child *child; } const rows[] = {
    { "sink", backup->sink },
    { "view", backup->view },
    { "gateway", backup->gateway }
  };
  json_object *pids = json_object_new_object ();
  json_object *restarts = json_object_new_object ();

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++)
    if (rows[i].child != NULL) {
      struct process_child_status status = process_child_status (rows[i].child);

      add_number (pids, rows[i].role, (uint64_t) status.pid);
      add_number (restarts, rows[i].role, status.restarts);
    }
  json_object_object_add (o, "processes", pids);
  json_object_object_add (o, "restarts", restarts);
}

/* Where clients connect to. */
static json_object *
info_server (const struct backup *backup)
{
  json_object *o = json_object_new_object ();
  g_autoptr (GUri) uri = NULL;

  add_text (o, "transport", backup->tcp != NULL ? "tcp" : "unix");
  if (backup->tcp == NULL)
    add_text (o, "socket", backup->client_socket);
  else if (backup->uri_prefix != NULL)
    uri = g_uri_parse (backup->uri_prefix, G_URI_FLAGS_NONE, NULL);
  if (uri != NULL) {
    add_text (o, "address", g_uri_get_host (uri));
    add_number (o, "port", (uint64_t) g_uri_get_port (uri));
  }
  return o;
}

json_object *
backup_info (const struct backup *backup)
{
  json_object *o = json_object_new_object ();
  json_object *disks = json_object_new_array ();
  struct backup_disk *disk;

  add_text (o, "domain", backup->domain);
  add_text (o, "state", backup->state == BACKUP_BROKEN ? "broken"
                        : backup->state == BACKUP_ENDING ? "ending" : "ready");
  add_text (o, "reason", backup->broken_reason);
  add_text (o, "checkpoint", backup->checkpoint);
  add_text (o, "incremental", backup->incremental);
  add_text (o, "consumer", backup->consumer);
  add_number (o, "started", (uint64_t) backup->started);
  json_object_object_add (o, "server", info_server (backup));
  json_object_object_add (o, "frozen-ms",
                          json_object_new_double (backup->frozen_ms));
  backup_quiesce_info (backup, o);
  backup_expiry_info (backup, o);
  FOR_EACH_DISK (backup, disk)
    json_object_array_add (disks, info_disk (backup, disk));
  json_object_object_add (o, "disks", disks);
  json_object_object_add (o, "skipped", json_object_get (backup->skipped));
  json_object_object_add (o, "notes", backup->notes != NULL
                          ? json_object_get (backup->notes)
                          : json_object_new_array ());
  info_processes (backup, o);
  return o;
}
