/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The processes between a client and the images: the gateway, and below it nbdkit
 * for raw files and block devices.  What nbdkit has answered is in the page cache,
 * so that it may die and be started again; its descriptors are ours, and those of
 * the locks are given to it only that they last as long as it writes. */
#include <config.h>

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "deadline.h"
#include "file.h"
#include "json-members.h"
#include "log.h"
#include "name.h"
#include "process-self.h"
#include "restore-changed.h"
#include "restore-instant.h"
#include "restore-process.h"
#include "restore-serve.h"
#include "restore-steps.h"
#include "restore-storage.h"
#include "restore-wait.h"
#include "stop-clock.h"

#define THREADS 16
/* Before it is killed, which one that hangs does not heed. */
#define PLUGIN_END_MS 5000

/* --- what a process of ours is known by --------------------------------------- */

char *
restore_serve_mark (const struct restore *restore)
{
  return g_strdup_printf ("backup=%s", restore->folder);
}

static void
stop (struct process_child **child, const char *socket)
{
  process_child_stop (*child);
  *child = NULL;
  if (unlink (socket) < 0 && errno != ENOENT)
    log_warning ("cannot remove the socket %s: %s", socket,
                 g_strerror (errno));
}

static bool
plugin_has (const struct restore_image *image)
{
  return image->node == NULL && !restore_storage_has (image);
}

/* --- nbdkit --------------------------------------------------------------------- */

static void
add_image (const struct restore_image *image, GPtrArray *a, GArray *fds)
{
  int fd = restore_target_io_fd (image->target);

  g_ptr_array_add (a, g_strdup_printf ("disk=%s", image->disk));
  g_ptr_array_add (a, g_strdup_printf ("target-fd=%u", PROCESS_CHILD_MORE + fds->len));
  g_ptr_array_add (a, g_strdup_printf (
                     "target-id=%s", restore_target_identity (image->target)));
  g_array_append_val (fds, fd);
}

int
restore_serve_start_plugin (void *context, struct failure *why)
{
  struct restore *restore = context;
  const struct restore_settings *settings = restore->settings;
  g_autoptr (GPtrArray) a = process_nbd_nbdkit ("restore", THREADS);
  g_autoptr (GArray) fds = g_array_new (FALSE, FALSE, sizeof (int));
  g_auto (GStrv) variables = process_nbd_variables ();
  struct restore_image *image;
  char *mark = restore_serve_mark (restore);
  int fd = -1, r = 0;

  g_ptr_array_add (a, mark);
  g_ptr_array_add (a, g_strdup ("outlive-parent=yes"));
  FOR_EACH_RESTORE_IMAGE (restore, image)
    if (plugin_has (image))
      add_image (image, a, fds);
  if (fds->len == 0)
    return 0;
  FOR_EACH_RESTORE_IMAGE (restore, image)
    if (plugin_has (image)) {
      int lock = restore_target_lock_fd (image->target);

      g_array_append_val (fds, lock);
    }
  g_ptr_array_add (a, NULL);
  if (!restore->adopting)
    r = process_listen_unix (restore->plugin_socket, settings->gateway_uid,
                             settings->gateway_gid, &fd, why);
  return r < 0 ? r : restore_process_run (restore, (struct process_child_spec) {
           .role = "plugin", .argv = (char **) a->pdata,
           .variables = variables, .listen_fd = fd,
           .place = { .socket = restore->plugin_socket,
                      .uid = settings->gateway_uid,
                      .gid = settings->gateway_gid },
           .more_fds = (const int *) (void *) fds->data,
           .n_more_fds = fds->len, .oom_score_adj = PROCESS_OOM_VIEW
         }, mark, &restore->plugin, why);
}

int
restore_serve_stop_plugin (void *context, struct failure *why)
{
  struct restore *restore = context;

  stop (&restore->plugin, restore->plugin_socket);
  return 0;
}

int
restore_serve_finish_plugin (struct restore *restore, struct failure *why)
{
  const struct restore_image *image = restore->images->pdata[0];
  int64_t patience = now_ms () + PLUGIN_END_MS;
  struct process_end end;
  int r = 0;

  if (restore->plugin == NULL)
    return 0;
  restore_wait_begin (restore->name, image->path);
  while (process_child_end (restore->plugin, now_ms () + STOP_CLOCK_SLICE_MS,
                            &end) < 0 && r == 0) {
    if (ms_left (patience) == 0)
      process_child_signal (restore->plugin, SIGKILL);
    if (ms_left (stop_clock_cap (INT64_MAX)) == 0)
      r = -ETIMEDOUT;
  }
  restore_wait_end (restore->name);
  restore_serve_stop_plugin (restore, why);
  return r == 0 ? 0 : failure_set (why, FAILURE_STORAGE, ETIMEDOUT, "the "
                                   "storage of %s does not answer: who writes "
                                   "to it hangs", image->path);
}

/* --- the gateway ------------------------------------------------------------- */

/* WHAT: for people, behind the disk's name. */
static json_object *
route (const struct restore *restore, const struct restore_image *image,
       const char *export, const char *what)
{
  g_autofree char *text = g_strdup_printf ("disk %s of the restore %s%s",
                                           image->disk, restore->name, what);
  json_object *o = json_with ("name", export);

  json_add_string (o, "upstream", image->disk);
  json_add_string (o, "description", text);
  if (!plugin_has (image))
    json_add_string (o, "server", restore->storage_socket);
  json_object_object_add (o, "contexts", json_object_new_array ());
  return o;
}

/* What has changed is a context of WRITABLE, and another export. */
static void
add_changed (const struct restore *restore, const struct restore_image *image,
             json_object *writable, json_object *exports)
{
  g_autofree char *export = restore_changed_export (restore, image);
  g_autofree char *context = restore_changed_context (restore);
  g_autofree char *what = g_strdup_printf (", what has changed since %s",
                                           restore->since);
  json_object *o = route (restore, image, export, what);
  json_object *c = json_with ("name", context);

  json_add_string (o, "map", export);
  json_add_string (c, "map", export);
  json_object_array_add (exports, o);
  json_object_array_add (json_object_object_get (writable, "contexts"), c);
}

static void
add_routes (const struct restore *restore, const struct restore_image *image,
            json_object *exports)
{
  g_autofree char *name = restore_instant_export (restore, image);
  json_object *o = route (restore, image, name, "");

  json_add_bool (o, "writable", true);
  json_object_array_add (exports, o);
  if (restore->since != NULL)
    add_changed (restore, image, o, exports);
}

static int
write_routes (const struct restore *restore, struct failure *why)
{
  CLEANUP_JSON json_object *o = json_with ("upstream", restore->plugin_socket);
  json_object *exports = json_object_new_array ();
  const struct restore_image *image;
  const char *text;
  int r;

  FOR_EACH_RESTORE_IMAGE (restore, image)
    add_routes (restore, image, exports);
  json_object_object_add (o, "exports", exports);
  text = json_object_to_json_string (o);
  r = file_replace (restore->routes, text, strlen (text));
  return r == 0 ? 0
         : failure_set (why, FAILURE_STORAGE, -r, "cannot write %s: %s",
                        restore->routes, g_strerror (-r));
}

int
restore_serve_start_gateway (void *context, struct failure *why)
{
  struct restore *restore = context;
  const struct restore_settings *settings = restore->settings;
  g_autoptr (GPtrArray) a = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *tcp = NULL;
  int fd = -1, r = write_routes (restore, why);

  if (r == 0 && !restore->adopting)
    r = process_nbd_listen (&restore->front, restore->given->tcp, &fd, why);
  if (r < 0)
    return r;
  g_ptr_array_add (a, g_strdup ("pullback-gateway"));
  g_ptr_array_add (a, g_strdup ("--routes"));
  g_ptr_array_add (a, g_strdup (restore->routes));
  g_ptr_array_add (a, g_strdup ("--written"));
  g_ptr_array_add (a, g_strdup (restore->folder));
  if (restore->since != NULL) {
    g_ptr_array_add (a, g_strdup ("--maps"));
    g_ptr_array_add (a, g_strdup (restore->folder));
  }
  if (settings->gateway_user != NULL) {
    g_ptr_array_add (a, g_strdup ("--user"));
    g_ptr_array_add (a, g_strdup (settings->gateway_user));
  }
  g_ptr_array_add (a, NULL);
  tcp = process_nbd_tcp (&restore->front);
  return restore_process_run (restore, (struct process_child_spec) {
                  .role = "gateway", .argv = (char **) a->pdata,
                  .listen_fd = fd,
                  .place = { .socket = tcp != NULL ? NULL
                                       : restore->client_socket,
                             .uid = geteuid (), .gid = getegid (),
                             .tcp = tcp },
                  .oom_score_adj = PROCESS_OOM_GATEWAY
                }, restore->routes, &restore->gateway, why);
}

int
restore_serve_stop_gateway (void *context, struct failure *why)
{
  struct restore *restore = context;

  stop (&restore->gateway, restore->client_socket);
  return 0;
}

/* --- both ----------------------------------------------------------------------- */

int
restore_serve_check (void *context, struct failure *why)
{
  struct restore *restore = context;
  const struct client_address address = {
    .socket = restore->front.host == NULL ? restore->front.socket : NULL,
    .host = restore->front.host, .port = restore->front.port
  };
  g_autofree char *changed = restore_changed_context (restore);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autofree struct client_export *exports =
    g_new0 (struct client_export, 2 * restore->images->len);
  const struct restore_image *image;
  size_t n = 0;

  FOR_EACH_RESTORE_IMAGE (restore, image) {
    uint64_t size = restore_target_size (image->target);
    char *name = restore_instant_export (restore, image);
    char *other = restore_changed_export (restore, image);

    g_ptr_array_add (names, name);
    exports[n++] = (struct client_export) {
      .name = name, .size = size, .context = changed
    };
    if (other == NULL)
      continue;
    g_ptr_array_add (names, other);
    exports[n++] = (struct client_export) {
      .name = other, .size = size, .context = CONTEXT_ALLOCATION
    };
  }
  return client_check (&address, exports, n, CLIENT_PATIENCE_MS, why);
}
