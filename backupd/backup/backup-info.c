/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A backup as the JSON object that backup-begin and backup-info return. */
#include <config.h>

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "backup-base.h"
#include "backup-expiry.h"
#include "backup-gateway.h"
#include "backup-pace.h"
#include "backup-quiesce.h"
#include "backup-scratch.h"
#include "backup-served.h"
#include "backup-since.h"
#include "json-members.h"

/* Bytes that the fleece store takes on its file system. */
static uint64_t
fleece_bytes (const struct backup *backup, const struct backup_disk *disk)
{
  g_autofree char *path = g_strdup_printf ("%s/%s.data",
                                           backup->paths.scratch_folder,
                                           disk->name);
  struct stat st;

  /* A look at storage that hangs may hang as well. */
  if (backup->serving.store_hangs)
    return 0;
  return stat (path, &st) < 0 ? 0 : (uint64_t) st.st_blocks * 512;
}

static json_object *
info_since (const struct backup *backup, const struct backup_disk *disk,
           const struct backup_since *since)
{
  json_object *o = json_with ("checkpoint", since->checkpoint);
  g_autofree char *name = backup_since_public (disk, since);
  g_autofree char *uri = backup_gateway_uri (backup, name);

  json_add_string (o, "context", since->context);
  json_add_u64 (o, "dirty-bytes", since->dirty_bytes);
  json_add_string (o, "uri-dirty", uri);
  return o;
}

static json_object *
info_disk (const struct backup *backup, struct backup_disk *disk,
           json_object *progress)
{
  json_object *o = json_with ("name", disk->name);
  json_object *bases = json_object_new_array ();
  g_autofree char *uri = backup_gateway_uri (backup, disk->export_name);
  struct backup_since *since;

  json_add_string (o, "node", disk->node);
  json_add_u64 (o, "size", disk->size);
  json_add_string (o, "mode", disk->incremental ? "incremental" : "full");
  json_add_string (o, "reason", disk->reason);
  json_add_string (o, "incremental",
                   disk->incremental ? disk->asked_since : NULL);
  json_add_string (o, "export", disk->export_name);
  json_add_u64 (o, "consecutive-fulls", disk->consecutive_fulls);
  json_add_string (o, "source", disk->base->name);
  json_add_string (o, "uri", uri);
  json_add_u64 (o, "fleece-bytes", fleece_bytes (backup, disk));
  backup_served_info (backup, disk, o, progress);
  FOR_EACH_SINCE (disk, since) {
    if (strcmp (since->label, INCREMENTAL_LABEL) == 0) {
      g_autofree char *name = backup_since_public (disk, since);
      g_autofree char *dirty_uri = backup_gateway_uri (backup, name);

      json_add_u64 (o, "dirty-bytes", since->dirty_bytes);
      json_add_string (o, "uri-dirty", dirty_uri);
      json_add_string (o, "context", since->context);
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
    { "sink", backup->serving.sink },
    { "view", backup->serving.view },
    { "gateway", backup->serving.gateway }
  };
  json_object *pids = json_object_new_object ();
  json_object *restarts = json_object_new_object ();

  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++)
    if (rows[i].child != NULL) {
      struct process_child_status status = process_child_status (rows[i].child);

      json_add_u64 (pids, rows[i].role, (uint64_t) status.pid);
      json_add_u64 (restarts, rows[i].role, status.restarts);
    }
  json_object_object_add (o, "processes", pids);
  json_object_object_add (o, "restarts", restarts);
  json_add_u64 (o, "adopted", backup->adopted);
}

/* Where clients connect to. */
static json_object *
info_server (const struct backup *backup)
{
  const struct backup_serving *serving = &backup->serving;
  bool tcp = backup->options.tcp != NULL;
  json_object *o = json_with ("transport", tcp ? "tcp" : "unix");

  if (!tcp)
    json_add_string (o, "socket", backup->paths.client_socket);
  else if (serving->front.host != NULL) {
    json_add_string (o, "address", serving->front.host);
    json_add_i64 (o, "port", atoi (serving->front.port));
  }
  return o;
}

json_object *
backup_info (const struct backup *backup)
{
  json_object *o = json_with ("domain", backup->options.domain);
  json_object *disks = json_object_new_array ();
  json_object *progress = json_object_new_object ();
  struct backup_disk *disk;

  json_add_string (o, "state", backup->state == BACKUP_BROKEN ? "broken"
                        : backup->state == BACKUP_ENDING ? "ending" : "ready");
  json_add_string (o, "reason", backup->reason);
  json_add_string (o, "checkpoint", backup->options.checkpoint);
  json_add_string (o, "incremental", backup->options.incremental);
  json_add_string (o, "consumer", backup->options.consumer);
  json_add_u64 (o, "started", (uint64_t) backup->started);
  json_object_object_add (o, "server", info_server (backup));
  json_object_object_add (o, "frozen-ms",
                          json_object_new_double (backup->freeze.ms));
  backup_quiesce_info (backup, o);
  backup_expiry_info (backup, o);
  backup_pace_info (backup, o);
  FOR_EACH_DISK (backup, disk)
    json_object_array_add (disks, info_disk (backup, disk, progress));
  json_object_object_add (o, "disks", disks);
  json_add_bool (o, "consume", backup_model_consume (backup));
  backup_scratch_info (backup, o);
  json_object_object_add (o, "progress", progress);
  json_object_object_add (o, "skipped", json_object_get (backup->skipped));
  json_object_object_add (o, "notes", json_object_get (backup->notes));
  info_processes (backup, o);
  return o;
}
