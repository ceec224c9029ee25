/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nbdkit's callbacks.  Everything is handed to the role. */
#include <config.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/prctl.h>

#include "log.h"
#include "plugin-role.h"

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

static struct plugin_config config;
static const struct plugin_role *role;

/* Logs the sentence. */
static int
refuse (const struct failure *why)
{
  nbdkit_error ("%s", why->text);
  nbdkit_set_error (why->error);
  return -1;
}

/* 0 stays 0; -errno becomes nbdkit's, with a line in the log, unless a client has asked
 * for what it may not have. */
static int
reply (int result, const char *what, uint64_t offset, uint32_t count)
{
  if (result >= 0)
    return 0;
  if (result != -EPERM)
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
  role = config.role == ROLE_SINK ? &sink_role : &view_role;
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
  return 0;
}

static void
pullback_unload (void)
{
  if (role != NULL)
    role->stop ();
  plugin_config_free (&config);
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

static void *
pullback_open (int readonly)
{
  const char *name = nbdkit_export_name ();
  struct role_export *export;

  if (name == NULL)
    return NULL;
  if (name[0] == '\0' && config.disk_count == 1)
    name = config.disks[0].name;
  export = role->find (name);
  if (export == NULL) {
    nbdkit_error ("there is no export \"%s\"", name);
    nbdkit_set_error (ENOENT);
  }
  return export;
}

static int64_t
pullback_get_size (void *handle)
{
  return (int64_t) role->size (handle);
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
is_readable_only (void *handle)
{
  return !role->writable;
}

static int
always (void *handle)
{
  return 1;
}

static int
pullback_can_cache (void *handle)
{
  return NBDKIT_CACHE_NONE;
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
  return 0;
}

static int
pullback_pread (void *handle, void *buffer, uint32_t count, uint64_t offset,
                uint32_t flags)
{
  return reply (role->read (handle, buffer, count, offset), "read", offset,
                count);
}

static int
pullback_pwrite (void *handle, const void *buffer, uint32_t count,
                 uint64_t offset, uint32_t flags)
{
  if (role->write == NULL)
    return reply (-EPERM, "write", offset, count);
  return reply (role->write (handle, buffer, count, offset), "write", offset,
                count);
}

static int
pullback_zero (void *handle, uint32_t count, uint64_t offset, uint32_t flags)
{
  return reply (role->zero (handle, count, offset), "zero", offset, count);
}

static int
pullback_trim (void *handle, uint32_t count, uint64_t offset, uint32_t flags)
{
  return reply (role->consume (handle, count, offset), "trim", offset, count);
}

static int
pullback_extents (void *handle, uint32_t count, uint64_t offset,
                  uint32_t flags, struct nbdkit_extents *extents)
{
  bool one = flags & NBDKIT_FLAG_REQ_ONE;

  return reply (role->extents (handle, count, offset, one, extents),
                "block status", offset, count);
}

static const char config_help[] =
  "role=sink|view      (required) what this process is.\n"
  "fleece=FOLDER       (required) folder of the fleece stores.\n"
  "maps=FOLDER         folder of the maps, by default that of fleece=.\n"
  "write-limit=MS      the sink breaks the backup after this (10000; 0: never).\n"
  "consume=yes|no      clients of the view may trim what they need no more.\n"
  "outlive-parent=yes  go on when the process that started nbdkit dies.\n"
  "limit=FILE          a pace file that all of the view's reads keep to.\n"
  "backup=TAG          marks the process as one of that backup.\n"
  "disk=NAME           (required) a disk; the keys below belong to it.\n"
#define SOURCE(name, key, value, help, wants, open) key "=" value help "\n"
#include "source-kinds.tbl.h"
#undef SOURCE
  "direct-io=yes|no    read direct=PATH with O_DIRECT.\n"
  "direct-id=ID        what the descriptor of direct-fd=N must be open on.\n"
  "bitmap=LABEL        also export NAME@LABEL.\n"
  "pace=FILE           the pace file of the disk's device.";

static struct nbdkit_plugin plugin = {
  .name = "pullback",
  .longname = "pullback point-in-time disks",
  .version = PACKAGE_VERSION,
  .description = "sink and view of the pull-backup server pullback",
  .config = pullback_config,
  .config_complete = pullback_config_complete,
  .config_help = config_help,
  .get_ready = pullback_get_ready,
  .after_fork = pullback_after_fork,
  .unload = pullback_unload,
  .list_exports = pullback_list_exports,
  .default_export = pullback_default_export,
  .open = pullback_open,
  .get_size = pullback_get_size,
  .can_write = pullback_can_write,
  .can_trim = can_consume,
  .can_flush = is_writable,
  .can_zero = is_writable,
  .can_fast_zero = is_writable,
  .can_extents = is_readable_only,
  .can_multi_conn = always,
  .can_fua = pullback_can_fua,
  .can_cache = pullback_can_cache,
  .flush = pullback_flush,
  .pread = pullback_pread,
  .pwrite = pullback_pwrite,
  .zero = pullback_zero,
  .trim = pullback_trim,
  .extents = pullback_extents,
};

struct nbdkit_plugin *plugin_init (void);
NBDKIT_REGISTER_PLUGIN (plugin)
