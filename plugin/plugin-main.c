/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nbdkit's callbacks.  Everything is handed to the role. */
#include <config.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "deadline.h"
#include "handover-offset.h"
#include "log.h"
#include "plugin-memory.h"
#include "plugin-peers.h"
#include "plugin-role.h"

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

/* For the requests of who has ended: less than the gateway waits for us. */
#define HEIR_MS 20000

static struct plugin_config config;
static const struct plugin_role *role;

/* A connection to an export. */
struct connection {
  struct role_export *export;
  struct plugin_memory *memory; /* NULL: payload goes over the connection */
  struct plugin_peer *peer;     /* NULL where nobody waits */
};

/* Logs the sentence. */
static int
refuse (const struct failure *why)
{
  nbdkit_error ("%s", why->text);
  nbdkit_set_error (why->error);
  return -1;
}

/* 0 stays 0; -errno becomes nbdkit's, with a line in the log, unless a client has asked
 * for what it may not have, or whether something is fast. */
static int
reply (int result, const char *what, uint64_t offset, uint32_t count)
{
  if (result >= 0)
    return 0;
  if (result != -EPERM && result != -EOPNOTSUPP)
    nbdkit_error ("%s of %" PRIu32 " bytes at %" PRIu64 " of \"%s\": %s", what,
                count, offset, nbdkit_export_name (), strerror (-result));
  nbdkit_set_error (-result);
  return -1;
}

static int
pullback_config (const char *key, const char *value)
{
  struct failure why = { 0 };

  if (plugin_config_set (&config, key, value, &why) < 0)
    return refuse (&why);
  return 0;
}

static int
pullback_config_complete (void)
{
  struct failure why = { 0 };

  if (plugin_config_check (&config, &why) < 0)
    return refuse (&why);
  role = config.role == ROLE_SINK ? &sink_role
         : config.role == ROLE_VIEW ? &view_role : &restore_role;
  return 0;
}

static int
pullback_get_ready (void)
{
  struct failure why = { 0 };

  /* Socket activation makes nbdkit ask for a signal at its parent's death. */
  if (config.outlive_parent && prctl (PR_SET_PDEATHSIG, 0) < 0) {
    failure_set (&why, FAILURE_GENERIC, errno, "outlive-parent=yes cannot be "
                 "had: %s", strerror (errno));
    return refuse (&why);
  }
  if (role->start (&config, &why) < 0)
    return refuse (&why);
  return 0;
}

static int
pullback_after_fork (void)
{
  struct failure why = { 0 };

  log_never_wait ();            /* nbdkit complains in the guest's write path */
  if (role->serve != NULL && role->serve (&config, &why) < 0)
    return refuse (&why);
  /* Without it payload goes over the connection. */
  if (plugin_memory_serve (&config, &why) < 0)
    nbdkit_error ("%s", why.text);
  return 0;
}

static void
pullback_unload (void)
{
  plugin_memory_stop ();
  if (role != NULL)
    role->stop ();
  plugin_config_free (&config);
}

/* Who has connected, not who uses the connection now: the kernel keeps what was true then. */
static int
pullback_preconnect (int readonly)
{
  int64_t pid, uid;

  if (config.client_pid == 0)
    return 0;
  pid = nbdkit_peer_pid ();
  if (pid == config.client_pid)
    return 0;
  /* The daemon looks whether we serve. */
  uid = pid < 0 ? -1 : nbdkit_peer_uid ();
  if (uid >= 0 && (uid_t) uid == geteuid ())
    return 0;
  nbdkit_error ("process %" PRIi64 " may not connect", pid);
  return -1;
}

static int
pullback_list_exports (int readonly, int is_tls, struct nbdkit_exports *exports)
{
  const char *name;
  size_t i;

  for (i = 0; (name = role->name (i)) != NULL; i++)
    if (nbdkit_add_export (exports, name, NULL) < 0)
      return -1;
  return 0;
}

static const char *
pullback_default_export (int readonly, int is_tls)
{
  return config.disk_count == 1 ? config.disks[0].name : NULL;
}

/* Without HANDOVER_SUFFIX, which sets *MEMORY where memory can be had. */
static struct role_export *
find_export (const char *name, bool *memory)
{
  const char *slash = strchr (name, '/');
  CLEANUP_FREE char *plain = NULL;

  *memory = slash != NULL && strcmp (slash, HANDOVER_SUFFIX) == 0 &&
            plugin_memory_is_served ();
  if (!*memory)
    return role->find (name);
  plain = strndup (name, (size_t) (slash - name));
  return plain == NULL ? NULL : role->find (plain);
}

static int
open_memory (struct connection *connection)
{
  uint64_t size = role->size (connection->export);

  return size > HANDOVER_DISK_MAX ? -ENOENT
         : plugin_memory_create (size, &connection->memory);
}

static int
join_peers (struct connection *connection)
{
  int r = !role->heirs_wait ? 0
          : plugin_peers_join (nbdkit_peer_pid (), now_ms () + HEIR_MS,
                               &connection->peer);

  if (r < 0)
    nbdkit_error ("what a process has asked for that has ended is still at "
                  "work: %s", strerror (-r));
  return r;
}

static void *
pullback_open (int readonly)
{
  const char *name = nbdkit_export_name ();
  struct connection *connection;
  bool memory;
  int r = 0;

  if (name == NULL)
    return NULL;
  if (name[0] == '\0' && config.disk_count == 1)
    name = config.disks[0].name;
  connection = calloc (1, sizeof *connection);
  if (connection == NULL)
    return NULL;
  connection->export = find_export (name, &memory);
  if (connection->export == NULL) {
    nbdkit_error ("there is no export \"%s\"", name);
    r = -ENOENT;
  } else if (memory) {
    r = open_memory (connection);
    if (r < 0)
      nbdkit_error ("there is no memory for \"%s\": %s", name, strerror (-r));
  } else
    r = join_peers (connection);
  if (r == 0)
    return connection;
  free (connection);
  nbdkit_set_error (-r);
  return NULL;
}

/* After its last request. */
static void
pullback_close (void *handle)
{
  struct connection *connection = handle;

  plugin_peers_leave (connection->peer);
  plugin_memory_destroy (connection->memory);
  free (connection);
}

static struct role_export *
export_of (void *handle)
{
  return ((struct connection *) handle)->export;
}

static struct plugin_memory *
memory_of (void *handle)
{
  return ((struct connection *) handle)->memory;
}

static int64_t
pullback_get_size (void *handle)
{
  return memory_of (handle) != NULL ? HANDOVER_EXPORT_SIZE
         : (int64_t) role->size (export_of (handle));
}

static const char *
pullback_export_description (void *handle)
{
  return memory_of (handle) == NULL ? NULL
         : plugin_memory_number (memory_of (handle));
}

static int
is_writable (void *handle)
{
  return role->writable;
}

/* Trims are writes. */
static int
can_consume (void *handle)
{
  return config.consume && role->consume != NULL;
}

static int
pullback_can_write (void *handle)
{
  return role->writable || can_consume (handle);
}

static int
pullback_can_trim (void *handle)
{
  return role->trim != NULL || can_consume (handle);
}

static int
pullback_can_extents (void *handle)
{
  return role->extents != NULL && memory_of (handle) == NULL;
}

static int
always (void *handle)
{
  return 1;
}

static int
pullback_can_cache (void *handle)
{
  return memory_of (handle) != NULL ? NBDKIT_CACHE_NATIVE : NBDKIT_CACHE_NONE;
}

/* The fleece store need not outlive a crash of the host, as QEMU and the disk
 * then start anew; FUA and flush cost nothing. */
static int
pullback_can_fua (void *handle)
{
  return role->writable ? NBDKIT_FUA_NATIVE : NBDKIT_FUA_NONE;
}

static int
pullback_flush (void *handle, uint32_t flags)
{
  return role->flush == NULL ? 0
         : reply (role->flush (export_of (handle)), "flush", 0, 0);
}

static unsigned
role_flags (uint32_t flags)
{
  return (flags & NBDKIT_FLAG_FUA ? ROLE_FUA : 0) |
         (flags & NBDKIT_FLAG_MAY_TRIM ? ROLE_MAY_TRIM : 0) |
         (flags & NBDKIT_FLAG_FAST_ZERO ? ROLE_FAST : 0);
}

/* M1: where memory is handed over nothing else is done, as offsets there are no disk's,
 * and nbdkit compares them with none. */
static int
pullback_pread (void *handle, void *buffer, uint32_t count, uint64_t offset,
                uint32_t flags)
{
  int r = memory_of (handle) != NULL ? -EINVAL
          : role->read (export_of (handle), buffer, count, offset);

  return reply (r, "read", offset, count);
}

/* Its reply hands the place over (M1). */
static int
pullback_cache (void *handle, uint32_t count, uint64_t joined, uint32_t flags)
{
  uint64_t offset = joined;
  char *place = NULL;
  int r = memory_of (handle) == NULL ? -EINVAL
          : plugin_memory_place (memory_of (handle), joined, count, &place,
                                 &offset);

  if (r == 0)
    r = role->read (export_of (handle), place, count, offset);
  return reply (r, "read", offset, count);
}

static int
pullback_pwrite (void *handle, const void *buffer, uint32_t count,
                 uint64_t offset, uint32_t flags)
{
  if (role->write == NULL)
    return reply (-EPERM, "write", offset, count);
  return reply (role->write (export_of (handle), buffer, count, offset,
                             role_flags (flags)), "write", offset, count);
}

static int
pullback_zero (void *handle, uint32_t count, uint64_t offset, uint32_t flags)
{
  return reply (role->zero (export_of (handle), count, offset,
                            role_flags (flags)), "zero", offset, count);
}

static int
pullback_trim (void *handle, uint32_t count, uint64_t offset, uint32_t flags)
{
  int r = memory_of (handle) != NULL ? -EINVAL
          : role->trim != NULL ? role->trim (export_of (handle), count, offset,
                                             role_flags (flags))
          : role->consume (export_of (handle), count, offset);

  return reply (r, "trim", offset, count);
}

static int
pullback_extents (void *handle, uint32_t count, uint64_t offset,
                  uint32_t flags, struct nbdkit_extents *extents)
{
  bool one = flags & NBDKIT_FLAG_REQ_ONE;

  return reply (role->extents (export_of (handle), count, offset, one, extents),
                "block status", offset, count);
}

static const char config_help[] =
  "role=sink|view|restore (required) what this process is.\n"
  "fleece=FOLDER       (required but for restore) folder of the fleece stores.\n"
  "maps=FOLDER         folder of the maps, by default that of fleece=.\n"
  "client-pid=PID      the process that may connect to the sink (any).\n"
  "write-limit=MS      the sink breaks the backup after this (10000; 0: never).\n"
  "consume=yes|no      clients of the view may trim what they need no more.\n"
  "outlive-parent=yes  go on when the process that started nbdkit dies.\n"
  "memory=SOCKET       give the gateway memory there to read into.\n"
  "memory-owner=UID:GID  whose that socket is to be.\n"
  "limit=FILE          a pace file that all of the view's reads keep to.\n"
  "backup=TAG          marks the process as one of that backup.\n"
  "disk=NAME           (required) a disk; the keys below belong to it.\n"
#define SOURCE(name, key, value, help, wants, open) key "=" value help "\n"
#include "source-kinds.tbl.h"
#undef SOURCE
  "direct-io=yes|no    read direct=PATH with O_DIRECT.\n"
  "direct-id=ID        what the descriptor of direct-fd=N must be open on.\n"
  "relay-cluster=BYTES the largest cluster of what relay=URI shows; 0: none.\n"
  "target-fd=N         what is restored is what descriptor N is open on.\n"
  "target-id=ID        what that must be.\n"
  "bitmap=LABEL        also export NAME@LABEL.\n"
  "pace=FILE           the pace file of the disk's device.";

static struct nbdkit_plugin plugin = {
  .name = "pullback",
  .longname = "pullback point-in-time disks",
  .version = PACKAGE_VERSION,
  .description = "sink, view and restore of the pull-backup server pullback",
  .config = pullback_config,
  .config_complete = pullback_config_complete,
  .config_help = config_help,
  .get_ready = pullback_get_ready,
  .after_fork = pullback_after_fork,
  .unload = pullback_unload,
  .preconnect = pullback_preconnect,
  .list_exports = pullback_list_exports,
  .default_export = pullback_default_export,
  .open = pullback_open,
  .close = pullback_close,
  .export_description = pullback_export_description,
  .get_size = pullback_get_size,
  .can_write = pullback_can_write,
  .can_trim = pullback_can_trim,
  .can_flush = is_writable,
  .can_zero = is_writable,
  .can_fast_zero = is_writable,
  .can_extents = pullback_can_extents,
  .can_multi_conn = always,
  .can_fua = pullback_can_fua,
  .can_cache = pullback_can_cache,
  .flush = pullback_flush,
  .pread = pullback_pread,
  .cache = pullback_cache,
  .pwrite = pullback_pwrite,
  .zero = pullback_zero,
  .trim = pullback_trim,
  .extents = pullback_extents,
};

struct nbdkit_plugin *plugin_init (void);
NBDKIT_REGISTER_PLUGIN (plugin)
