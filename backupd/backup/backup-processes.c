/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backup-check.h"
#include "backup-client.h"
#include "backup-expiry.h"
#include "backup-processes.h"
#include "backup-stores.h"
#include "deadline.h"
#include "full-io.h"
#include "log.h"
#include "name.h"
#include "process-child.h"
#include "process-leftover.h"
#include "process-listen.h"
#include "process-self.h"
#include "process-sockets.h"
#include "qmp-peer.h"
#include "stop-clock.h"

/* See process-child.h: behind the standard streams and the socket. */
#define VIEW_FIRST_IMAGE 4u
/* QEMU has found a restarted sink within this, if it wants to. */
#define RECONNECT_MAX_MS 20000
#define RECONNECT_POLL_MS 20
#define CUT_MAX_MS 300
#define SINK_LOOK_MS 5000
#define CUT_RECONNECT_MS 3000

static const char *
plugin_path (void)
{
  const char *path = g_getenv ("PULLBACK_PLUGIN");

  return path != NULL ? path : NBDKIT_PLUGINDIR "/nbdkit-pullback-plugin.so";
}

/* "fleece=FOLDER" is also what leftovers are found by. */
static char *
fleece_argument (const struct backup *backup)
{
  return g_strdup_printf ("fleece=%s", backup->scratch_folder);
}

static GPtrArray *
nbdkit_arguments (const struct backup *backup, const char *role)
{
  GPtrArray *a = g_ptr_array_new_with_free_func (g_free);

  g_ptr_array_add (a, g_strdup (NBDKIT_PROGRAM));
  g_ptr_array_add (a, g_strdup ("--foreground"));
  /* Per connection.  A view's request already has many reads in flight, so
   * that more threads only cost memory, and the gateway's budget counts on as
   * many (gateway-budget.h); QEMU sends the sink small ones. */
  g_ptr_array_add (a, g_strdup (strcmp (role, "view") == 0 ? "--threads=4"
                                                           : "--threads=16"));
  g_ptr_array_add (a, g_strdup (plugin_path ()));
  g_ptr_array_add (a, g_strdup_printf ("role=%s", role));
  g_ptr_array_add (a, fleece_argument (backup));
  g_ptr_array_add (a, g_strdup_printf ("maps=%s", backup->maps_folder));
  g_ptr_array_add (a, g_strdup ("outlive-parent=yes"));
  return a;
}

/* A plugin built with a sanitizer needs its run time before nbdkit's. */
static int
start (struct process_child_spec spec, GPtrArray *arguments,
       struct process_child **child, struct failure *why)
{
  const char *preload = g_getenv ("PULLBACK_PLUGIN_PRELOAD");
  g_autofree char *variable = g_strdup_printf ("LD_PRELOAD=%s", preload);
  char *variables[] = { variable, NULL };

  g_ptr_array_add (arguments, NULL);
  spec.argv = (char **) arguments->pdata;
  if (preload != NULL && strcmp (spec.role, "gateway") != 0)
    spec.variables = variables;
  return process_child_start (&spec, child, why);
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

/* --- sink --------------------------------------------------------------------- */

static unsigned
sink_deaths (const struct backup *backup)
{
  return process_child_status (backup->sink).restarts;
}

/* Our listening socket takes connections whether there is a sink or not: to one
 * that dies again and again the question is soon given up. */
static int
sink_shows (const struct backup *backup, const struct backup_disk *disk,
            struct failure *why)
{
  const struct backup_client_address address = { .socket = backup->sink_socket };
  int64_t deadline = now_ms () + BACKUP_CHECK_TIMEOUT_MS;
  unsigned deaths = sink_deaths (backup);
  int r;

  do {
    why->error = 0;
    r = backup_client_check (&address, disk->name, disk->size, NULL,
                             SINK_LOOK_MS, why);
  } while (r == -ETIMEDOUT && sink_deaths (backup) == deaths &&
           ms_left (deadline) > 0);
  return r;
}

static int
sink_answers (const struct backup *backup, struct failure *why)
{
  struct backup_disk *disk;
  int r = 0;

  if (process_child_status (backup->sink).failed)
    return failure_set (why, FAILURE_GENERIC, ESRCH, "it cannot be kept "
                        "running");
  FOR_EACH_DISK (backup, disk)
    if (r == 0)
      r = sink_shows (backup, disk, why);
  return r;
}

static int
sink_listen (const struct backup *backup, int *fd, struct failure *why)
{
  return process_listen_unix (backup->sink_socket, backup->uid, backup->gid,
                              fd, why);
}

/* On the listening socket FD, which becomes the sink's. */
static int
sink_run (struct backup *backup, int fd, struct failure *why)
{
  g_autoptr (GPtrArray) a = nbdkit_arguments (backup, "sink");
  struct backup_disk *disk;
  int r;

  g_ptr_array_add (a, g_strdup_printf ("write-limit=%d",
                                       backup->sink_limit_ms));
  FOR_EACH_DISK (backup, disk)
    g_ptr_array_add (a, g_strdup_printf ("disk=%s", disk->name));
  r = start ((struct process_child_spec) {
               .role = "sink", .listen_fd = fd,
               .oom_score_adj = PROCESS_OOM_SINK }, a, &backup->sink, why);
  /* Looked at before QEMU is told of it: QEMU would wait for it without end. */
  return r < 0 ? r : sink_answers (backup, why);
}

int
backup_start_sink (void *context, struct failure *why)
{
  struct backup *backup = context;
  int fd, r = sink_listen (backup, &fd, why);

  return r < 0 ? r : sink_run (backup, fd, why);
}

bool
backup_sink_is_used (const struct backup *backup)
{
  return process_sockets_connected (backup->sink_socket) > 0;
}

/* The process that we talk to has exited. */
static bool
qemu_exits (const struct backup *backup)
{
  g_autofree char *now = backup->qmp == NULL ? NULL
                                             : qmp_boot_id (backup->qmp);

  return now != NULL && *now == '\0' && *backup->boot_id != '\0';
}

/* QEMU tries again after 1, 2, 4 ... 16 s, and only where a guest write waits:
 * fewer connections than disks do not mean that more will come. */
static void
wait_for_qemu (struct backup *backup)
{
  int64_t started = backup->sink != NULL
                    ? process_child_status (backup->sink).started_ms
                    : now_ms ();
  int64_t deadline = started + RECONNECT_MAX_MS;
  guint seen = 0;

  /* A sink whose store hangs says so in the map, and then cuts QEMU's
   * connections; QEMU has a new one at once for what waits. */
  if (backup->store_hangs) {
    g_usleep (CUT_MAX_MS * 1000);
    if (deadline < now_ms () + CUT_RECONNECT_MS)
      deadline = now_ms () + CUT_RECONNECT_MS;
  }

  /* Twice in a row: our own last connection may not be closed yet. */
  while (ms_left (stop_clock_cap (deadline)) > 0 && seen < 2 &&
         !qemu_exits (backup)) {
    seen = process_sockets_connected (backup->sink_socket) >= backup->disks->len
           ? seen + 1 : 0;
    g_usleep (RECONNECT_POLL_MS * 1000);
  }
}

/* The old one goes only when there is what a new one needs: one that nobody can
 * connect to any more may serve QEMU all the same. */
static int
replace_sink (struct backup *backup, struct failure *why)
{
  g_autofree char *leftover = fleece_argument (backup);
  int fd, r = backup_find_stores (backup, why);

  if (r == 0)
    r = sink_listen (backup, &fd, why);
  if (r < 0)
    return r;
  process_child_stop (backup->sink);
  backup->sink = NULL;
  process_leftover_kill (leftover);
  return sink_run (backup, fd, why);
}

void
backup_ensure_sink (struct backup *backup)
{
  struct failure why = { 0 };

  if (sink_answers (backup, &why) < 0) {
    log_warning ("the sink of %s is started anew: %s", backup->domain,
                 why.text);
    why.error = 0;
    if (replace_sink (backup, &why) < 0) {
      log_error ("no other sink of %s can be started, guest writes may fail: "
                 "%s", backup->domain, why.text);
      return;
    }
  }
  wait_for_qemu (backup);
}

int
backup_stop_sink (void *context, struct failure *why)
{
  struct backup *backup = context;

  /* Without it guest writes would wait, and then fail. */
  if (!backup->jobs_remain)
    stop (&backup->sink, backup->sink_socket);
  return 0;
}

/* --- view --------------------------------------------------------------------- */

/* IMAGES are the descriptors that the view inherits. */
static void
view_disk_arguments (const struct backup *backup,
                     const struct backup_disk *disk, GPtrArray *a,
                     GArray *images)
{
  struct backup_base *base;

  g_ptr_array_add (a, g_strdup_printf ("disk=%s", disk->name));
  if (disk->image != NULL) {
    g_ptr_array_add (a, g_strdup_printf ("direct-fd=%u",
                                         VIEW_FIRST_IMAGE + images->len));
    g_ptr_array_add (a, g_strdup_printf ("direct-id=%s", disk->image->id));
    g_array_append_val (images, disk->image->fd);
  } else {
    g_autofree char *socket = g_uri_escape_string (backup->qemu_socket, "/",
                                                   FALSE);

    g_ptr_array_add (a, g_strdup_printf ("relay=nbd+unix:///%s?socket=%s",
                                         disk->name, socket));
  }
  FOR_EACH_BASE (disk, base)
    g_ptr_array_add (a, g_strdup_printf ("bitmap=%s", base->label));
}

int
backup_start_view (void *context, struct failure *why)
{
  struct backup *backup = context;
  g_autoptr (GPtrArray) a = nbdkit_arguments (backup, "view");
  g_autoptr (GArray) images = g_array_new (FALSE, FALSE, sizeof (int));
  struct backup_disk *disk;
  int fd, r;

  FOR_EACH_DISK (backup, disk)
    view_disk_arguments (backup, disk, a, images);
  r = process_listen_unix (backup->view_socket, geteuid (), getegid (), &fd,
                           why);
  if (r == 0)
    r = start ((struct process_child_spec) {
                 .role = "view", .listen_fd = fd,
                 .more_fds = (const int *) (void *) images->data,
                 .n_more_fds = images->len,
                 .oom_score_adj = PROCESS_OOM_VIEW }, a, &backup->view, why);
  return r;
}

int
backup_stop_view (void *context, struct failure *why)
{
  struct backup *backup = context;

  stop (&backup->view, backup->view_socket);
  return 0;
}

/* --- gateway --------------------------------------------------------------------- */

static json_object *
add_route (json_object *exports, const char *name, const char *upstream,
           const char *description)
{
  json_object *o = json_object_new_object ();

  json_object_object_add (o, "name", json_object_new_string (name));
  json_object_object_add (o, "upstream", json_object_new_string (upstream));
  json_object_object_add (o, "description",
                          json_object_new_string (description));
  json_object_object_add (o, "contexts", json_object_new_array ());
  json_object_array_add (exports, o);
  return json_object_object_get (o, "contexts");
}

static void
add_context (json_object *contexts, const char *name, const char *upstream)
{
  json_object *o = json_object_new_object ();

  json_object_object_add (o, "name", json_object_new_string (name));
  json_object_object_add (o, "upstream", json_object_new_string (upstream));
  json_object_array_add (contexts, o);
}

static void
add_routes (const struct backup *backup, const struct backup_disk *disk,
            json_object *exports)
{
  g_autofree char *text =
    g_strdup_printf ("disk %s of %s", disk->name, backup->domain);
  json_object *contexts = add_route (exports, disk->export_name, disk->name,
                                     text);
  struct backup_base *base;

  FOR_EACH_BASE (disk, base) {
    g_autofree char *name = backup_base_export (disk, base);
    g_autofree char *public = backup_base_public (disk, base);
    g_autofree char *changed = g_strdup_printf ("%s, only what changed since "
                                                "%s", text, base->checkpoint);

    add_context (contexts, base->context, name);
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
  json_object_object_add (o, "upstream",
                          json_object_new_string (backup->view_socket));
  json_object_object_add (o, "exports", exports);
  text = json_object_to_json_string (o);
  r = file_replace (backup->routes, text, strlen (text));
  if (r < 0)
    failure_set (why, FAILURE_STORAGE, -r, "cannot write %s: %s",
                 backup->routes, g_strerror (-r));
  return r;
}

static int
set_tcp_uri (struct backup *backup, int fd, struct failure *why)
{
  struct sockaddr_storage address;
  socklen_t length = sizeof address;
  char text[INET6_ADDRSTRLEN];

  if (getsockname (fd, (struct sockaddr *) &address, &length) < 0)
    return failure_set (why, FAILURE_GENERIC, errno, "the TCP socket has no "
                        "address: %s", g_strerror (errno));
  if (address.ss_family == AF_INET6) {
    const struct sockaddr_in6 *in6 = (const void *) &address;

    inet_ntop (AF_INET6, &in6->sin6_addr, text, sizeof text);
    backup->uri_prefix = g_strdup_printf ("nbd://[%s]:%u/", text,
                                          ntohs (in6->sin6_port));
  } else {
    const struct sockaddr_in *in = (const void *) &address;

    inet_ntop (AF_INET, &in->sin_addr, text, sizeof text);
    backup->uri_prefix = g_strdup_printf ("nbd://%s:%u/", text,
                                          ntohs (in->sin_port));
  }
  backup->uri_suffix = g_strdup ("");
  return 0;
}

static int
listen_for_clients (struct backup *backup, int *fd, struct failure *why)
{
  g_autofree char *socket = NULL;
  int r;

  if (backup->tcp != NULL) {
    r = process_listen_tcp (backup->tcp, fd, why);
    return r < 0 ? r : set_tcp_uri (backup, *fd, why);
  }
  r = process_listen_unix (backup->client_socket, geteuid (), getegid (), fd,
                           why);
  if (r < 0)
    return r;
  socket = g_uri_escape_string (backup->client_socket, "/", FALSE);
  backup->uri_prefix = g_strdup ("nbd+unix:///");
  backup->uri_suffix = g_strdup_printf ("?socket=%s", socket);
  return 0;
}

int
backup_start_gateway (void *context, struct failure *why)
{
  struct backup *backup = context;
  g_autoptr (GPtrArray) a = g_ptr_array_new_with_free_func (g_free);
  int fd = -1;
  int r = write_routes (backup, why);

  if (r == 0)
    r = backup_expiry_create_file (backup, why);
  if (r == 0)
    r = listen_for_clients (backup, &fd, why);
  if (r < 0)
    return r;
  g_ptr_array_add (a, g_strdup ("pullback-gateway"));
  g_ptr_array_add (a, g_strdup ("--routes"));
  g_ptr_array_add (a, g_strdup (backup->routes));
  g_ptr_array_add (a, g_strdup ("--activity"));
  g_ptr_array_add (a, g_strdup (backup->activity));
  return start ((struct process_child_spec) {
                  .role = "gateway", .listen_fd = fd,
                  .oom_score_adj = PROCESS_OOM_GATEWAY }, a,
                &backup->gateway, why);
}

int
backup_stop_gateway (void *context, struct failure *why)
{
  struct backup *backup = context;

  stop (&backup->gateway, backup->client_socket);
  unlink (backup->routes);
  file_replace_tidy (backup->routes);
  unlink (backup->activity);
  return 0;
}

char *
backup_uri (const struct backup *backup, const char *export_name)
{
  g_autofree char *escaped = g_uri_escape_string (export_name, "@:+", FALSE);

  return g_strconcat (backup->uri_prefix, escaped, backup->uri_suffix, NULL);
}
