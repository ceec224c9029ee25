/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The gateway gets its socket and a table of exports, by which clients see the
 * names that they were promised, whatever the view calls its exports. */
#include <config.h>

#include <string.h>
#include <unistd.h>

#include "backup-expiry.h"
#include "backup-gateway.h"
#include "backup-pace.h"
#include "backup-process.h"
#include "backup-served.h"
#include "backup-since.h"
#include "backup-steps.h"
#include "file.h"
#include "json-members.h"
#include "process-self.h"

static json_object *
add_route (json_object *exports, const char *name, const char *upstream,
           const char *description)
{
  json_object *o = json_with ("name", name);

  json_add_string (o, "upstream", upstream);
  json_add_string (o, "description", description);
  json_object_object_add (o, "contexts", json_object_new_array ());
  json_object_array_add (exports, o);
  return json_object_object_get (o, "contexts");
}

static void
add_context (json_object *contexts, const char *name, const char *upstream)
{
  json_object *o = json_with ("name", name);

  json_add_string (o, "upstream", upstream);
  json_object_array_add (contexts, o);
}

static void
add_routes (const struct backup *backup, const struct backup_disk *disk,
            json_object *exports)
{
  g_autofree char *text =
    g_strdup_printf ("disk %s of %s", disk->name, backup->options.domain);
  json_object *contexts = add_route (exports, disk->export_name, disk->name,
                                     text);
  struct backup_since *since;

  FOR_EACH_SINCE (disk, since) {
    g_autofree char *name = backup_since_export (disk, since);
    g_autofree char *public = backup_since_public (disk, since);
    g_autofree char *changed = g_strdup_printf ("%s, only what changed since "
                                                "%s", text, since->checkpoint);

    add_context (contexts, since->context, name);
    add_route (exports, public, name, changed);
  }
}

static int
write_routes (const struct backup *backup, struct failure *why)
{
  CLEANUP_JSON json_object *o = json_object_new_object ();
  json_object *exports = json_object_new_array ();
  struct backup_disk *disk;
  const char *text;
  int r;

  FOR_EACH_DISK (backup, disk)
    add_routes (backup, disk, exports);
  json_add_string (o, "upstream", backup->serving.view_socket);
  json_object_object_add (o, "exports", exports);
  text = json_object_to_json_string (o);
  r = file_replace (backup->serving.routes, text, strlen (text));
  if (r < 0)
    failure_set (why, FAILURE_STORAGE, -r, "cannot write %s: %s",
                 backup->serving.routes, g_strerror (-r));
  return r;
}

int
backup_gateway_start (void *context, struct failure *why)
{
  struct backup *backup = context;
  g_autoptr (GPtrArray) a = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *tcp = NULL;
  int fd = -1;
  int r = write_routes (backup, why);

  if (r == 0)
    r = backup_expiry_create_file (backup, why);
  if (r == 0 && backup->adopting)
    backup_served_mend (backup);
  else if (r == 0)
    r = backup_served_create (backup, why);
  if (r == 0 && !backup->adopting)
    r = process_nbd_listen (&backup->serving.front, backup->options.tcp, &fd,
                            why);
  if (r < 0)
    return r;
  backup->serving.known = true;
  g_ptr_array_add (a, g_strdup ("pullback-gateway"));
  g_ptr_array_add (a, g_strdup ("--routes"));
  g_ptr_array_add (a, g_strdup (backup->serving.routes));
  g_ptr_array_add (a, g_strdup ("--activity"));
  g_ptr_array_add (a, g_strdup (backup->expiry.activity));
  g_ptr_array_add (a, g_strdup ("--served"));
  g_ptr_array_add (a, g_strdup (backup->serving.served));
  g_ptr_array_add (a, g_strdup ("--maps"));
  g_ptr_array_add (a, g_strdup (backup->paths.maps_folder));
  g_ptr_array_add (a, g_strdup ("--memory"));
  g_ptr_array_add (a, g_strdup (backup->serving.memory_socket));
  if (backup->paths.gateway.name != NULL) {
    g_ptr_array_add (a, g_strdup ("--user"));
    g_ptr_array_add (a, g_strdup (backup->paths.gateway.name));
  }
  g_ptr_array_add (a, g_strdup ("--backup"));
  g_ptr_array_add (a, g_strdup (backup->tag));
  if (backup_model_consume (backup))
    g_ptr_array_add (a, g_strdup ("--consume"));
  tcp = process_nbd_tcp (&backup->serving.front);
  return backup_process_start (backup, (struct process_child_spec) {
                  .role = "gateway", .listen_fd = fd,
                  .place = { .socket = tcp != NULL ? NULL
                                       : backup->paths.client_socket,
                             .uid = geteuid (), .gid = getegid (),
                             .tcp = tcp },
                  .oom_score_adj = PROCESS_OOM_GATEWAY,
                  .background = backup_pace_is_on (backup) }, a,
                &backup->serving.gateway, why);
}

int
backup_gateway_stop (void *context, struct failure *why)
{
  struct backup *backup = context;

  backup_process_stop (&backup->serving.gateway, backup->paths.client_socket);
  unlink (backup->serving.routes);
  file_replace_tidy (backup->serving.routes);
  unlink (backup->expiry.activity);
  backup_served_remove (backup);
  return 0;
}

char *
backup_gateway_uri (const struct backup *backup, const char *export_name)
{
  return !backup->serving.known ? NULL
         : process_nbd_uri (&backup->serving.front, export_name);
}
