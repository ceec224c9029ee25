/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Everything is checked before a disk is opened: nbdkit says a refusal while
 * whoever started it still listens, and a sink that fails later would stall
 * the guest.  The kinds of base come from their table (source-kinds.tbl.h). */
#include <config.h>

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "name.h"
#include "plugin-config.h"

#define BAD(...) failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, __VA_ARGS__)

static int
set_string (char **field, const char *key, const char *value,
            struct failure *why)
{
  if (*field != NULL)
    return BAD ("%s= is given twice", key);
  if (value[0] == '\0')
    return BAD ("%s= is empty", key);
  *field = strdup (value);
  return *field == NULL ? failure_set (why, FAILURE_GENERIC, ENOMEM,
                                       "no memory for %s=", key) : 0;
}

static int
set_role (struct plugin_config *config, const char *value, struct failure *why)
{
  if (config->role != ROLE_NONE)
    return BAD ("role= is given twice");
  if (strcmp (value, "sink") == 0)
    config->role = ROLE_SINK;
  else if (strcmp (value, "view") == 0)
    config->role = ROLE_VIEW;
  else if (strcmp (value, "restore") == 0)
    config->role = ROLE_RESTORE;
  else
    return BAD ("role=%s: the role must be \"sink\", \"view\" or \"restore\"",
                value);
  return 0;
}

static int
add_disk (struct plugin_config *config, const char *value, struct failure *why)
{
  struct disk_config *disks;
  size_t i;

  if (!name_is_disk (value))
    return BAD ("disk=%s: not a valid disk name (letters, digits and _.:+-, at "
                "most 128 bytes)", value);
  for (i = 0; i < config->disk_count; i++)
    if (strcmp (config->disks[i].name, value) == 0)
      return BAD ("disk=%s is given twice", value);
  disks = reallocarray (config->disks, config->disk_count + 1, sizeof *disks);
  if (disks == NULL)
    return failure_set (why, FAILURE_GENERIC, ENOMEM, "no memory for disk=%s",
                        value);
  config->disks = disks;
  disks += config->disk_count;
  memset (disks, 0, sizeof *disks);
  config->disk_count++;
  return set_string (&disks->name, "disk", value, why);
}

static int
add_label (struct disk_config *disk, const char *value, struct failure *why)
{
  char **labels;
  size_t i;

  if (!name_is_label (value))
    return BAD ("bitmap=%s of disk %s: not a valid label (letters, digits and "
                "_.:+-, at most 128 bytes)", value, disk->name);
  for (i = 0; i < disk->label_count; i++)
    if (strcmp (disk->labels[i], value) == 0)
      return BAD ("bitmap=%s of disk %s is given twice", value, disk->name);
  labels = reallocarray (disk->labels, disk->label_count + 1, sizeof *labels);
  if (labels == NULL)
    return failure_set (why, FAILURE_GENERIC, ENOMEM, "no memory for bitmap=%s",
                        value);
  disk->labels = labels;
  labels[disk->label_count] = NULL;
  return set_string (&labels[disk->label_count++], "bitmap", value, why);
}

static int
set_yes_no (bool *flag, const char *key, const char *value,
            struct failure *why)
{
  if (strcmp (value, "yes") != 0 && strcmp (value, "no") != 0)
    return BAD ("%s=%s: must be \"yes\" or \"no\"", key, value);
  *flag = value[0] == 'y';
  return 0;
}

/* A number from LEAST on. */
static bool
read_number (const char *value, int least, int *number)
{
  unsigned long n;
  char *end;

  errno = 0;
  n = strtoul (value, &end, 10);
  if (value[0] < '0' || value[0] > '9' || *end != '\0' || errno != 0 ||
      n < (unsigned long) least || n > INT_MAX)
    return false;
  *number = (int) n;
  return true;
}

static int
set_write_limit (struct plugin_config *config, const char *value,
                 struct failure *why)
{
  if (config->role != ROLE_SINK)
    return BAD ("write-limit= is only for role=sink");
  if (config->write_limit_given)
    return BAD ("write-limit= is given twice");
  if (!read_number (value, 0, &config->write_limit))
    return BAD ("write-limit=%s: must be a number of milliseconds, 0 for no "
                "limit", value);
  config->write_limit_given = true;
  return 0;
}

static int
set_client_pid (struct plugin_config *config, const char *value,
                struct failure *why)
{
  if (config->role != ROLE_SINK)
    return BAD ("client-pid= is only for role=sink");
  if (config->client_pid != 0)
    return BAD ("client-pid= is given twice");
  if (!read_number (value, 1, &config->client_pid))
    return BAD ("client-pid=%s: must be the number of a process", value);
  return 0;
}

static int
add_limit (struct plugin_config *config, const char *value,
           struct failure *why)
{
  size_t i;

  if (config->role != ROLE_VIEW)
    return BAD ("limit= is only for role=view");
  for (i = 0; i < PLUGIN_LIMITS; i++)
    if (config->limits[i] == NULL)
      return set_string (&config->limits[i], "limit", value, why);
  return BAD ("limit= is given more than %d times", PLUGIN_LIMITS);
}

/* UID:GID */
static int
set_memory_owner (struct plugin_config *config, const char *value,
                  struct failure *why)
{
  unsigned uid, gid;
  char rest;

  if (config->memory_owned)
    return BAD ("memory-owner= is given twice");
  if (strspn (value, "0123456789:") != strlen (value) ||
      sscanf (value, "%u:%u%c", &uid, &gid, &rest) != 2)
    return BAD ("memory-owner=%s: must be UID:GID, two numbers", value);
  config->memory_owned = true;
  config->memory_uid = uid;
  config->memory_gid = gid;
  return 0;
}

static int
set_memory (struct plugin_config *config, const char *key, const char *value,
            struct failure *why)
{
  if (config->role != ROLE_VIEW)
    return BAD ("%s= is only for role=view", key);
  return strcmp (key, "memory") == 0
         ? set_string (&config->memory, key, value, why)
         : set_memory_owner (config, value, why);
}

/* --- the base of a disk ----------------------------------------------- */

static const struct source_key {
  const char *key, *value;
  unsigned wants;               /* SOURCE_* */
} source_keys[] = {
  [SOURCE_NONE] = { "", "", 0 },
#define SOURCE(name, key, value, help, wants, open) \
  [SOURCE_##name] = { key, value, wants },
#include "source-kinds.tbl.h"
#undef SOURCE
};

#define SOURCE_KINDS (sizeof source_keys / sizeof source_keys[0])

static enum source_kind
find_source (const char *key)
{
  size_t kind;

  for (kind = SOURCE_KINDS - 1; kind != SOURCE_NONE; kind--)
    if (strcmp (source_keys[kind].key, key) == 0)
      break;
  return (enum source_kind) kind;
}

/* "disk vda needs one of direct=PATH, direct-fd=N and relay=URI" */
static int
want_one_base (const struct disk_config *disk, struct failure *why)
{
  char list[256];
  size_t kind, used = 0;

  for (kind = SOURCE_NONE + 1;
       kind < SOURCE_KINDS && used < sizeof list; kind++)
    used += (size_t) snprintf (list + used, sizeof list - used, "%s%s=%s",
                               kind == SOURCE_NONE + 1 ? "" :
                               kind == SOURCE_KINDS - 1 ? " and " : ", ",
                               source_keys[kind].key, source_keys[kind].value);
  return BAD ("disk %s needs one of %s", disk->name, list);
}

static bool
may_have_relay (enum source_kind kind)
{
  return (source_keys[kind].wants & SOURCE_MAY_HAVE_RELAY) != 0;
}

static int
set_base (struct disk_config *disk, enum source_kind kind, const char *value,
          struct failure *why)
{
  struct source_config *base = &disk->base;

  if (kind == SOURCE_RELAY && may_have_relay (base->kind))
    return set_string (&base->relay, source_keys[kind].key, value, why);
  if (base->kind == SOURCE_RELAY && may_have_relay (kind)) {
    base->relay = TAKE_PTR (base->value);
    base->kind = SOURCE_NONE;
  }
  if (base->kind != SOURCE_NONE && base->kind != kind)
    return want_one_base (disk, why);
  /* Standard streams are no disks. */
  if ((source_keys[kind].wants & SOURCE_IS_DESCRIPTOR) != 0 &&
      !read_number (value, 3, &base->fd))
    return BAD ("%s=%s: must be the number of an open descriptor, from 3 on",
                source_keys[kind].key, value);
  base->kind = kind;
  return set_string (&base->value, source_keys[kind].key, value, why);
}

/* A power of two, or none. */
static int
set_relay_cluster (struct source_config *base, const char *value,
                   struct failure *why)
{
  int bytes;

  if (base->relay_cluster != SOURCE_CLUSTER_UNKNOWN)
    return BAD ("relay-cluster= is given twice");
  if (!read_number (value, 0, &bytes) || (bytes & (bytes - 1)) != 0)
    return BAD ("relay-cluster=%s: must be a power of two, 0 for no clusters",
                value);
  base->relay_cluster = bytes == 0 ? SOURCE_CLUSTER_NONE : (uint64_t) bytes;
  return 0;
}

static int
check_base (const struct disk_config *disk, struct failure *why)
{
  const struct source_config *base = &disk->base;
  unsigned wants = source_keys[base->kind].wants;

  if (base->kind == SOURCE_NONE)
    return want_one_base (disk, why);
  if (base->direct_io && (wants & SOURCE_MAY_BE_DIRECT_IO) == 0)
    return BAD ("disk %s: direct-io=yes needs direct=PATH or "
                "chain-path=", disk->name);
  if (base->relay_cluster != SOURCE_CLUSTER_UNKNOWN &&
      base->kind != SOURCE_RELAY)
    return BAD ("disk %s: relay-cluster= needs relay=URI, and no other base",
                disk->name);
  if (((wants & SOURCE_IS_DESCRIPTOR) != 0) != (base->id != NULL))
    return BAD ("disk %s: direct-fd=N and direct-id=ID need each other",
                disk->name);
  return 0;
}

/* --- the target of a restore ------------------------------------------ */

static int
refuse_of_backup (const char *key, struct failure *why)
{
  return BAD ("%s= is not for role=restore", key);
}

static int
set_target (struct plugin_config *config, const char *key, const char *value,
            struct failure *why)
{
  struct disk_config *disk;

  if (config->role != ROLE_RESTORE)
    return BAD ("%s= is only for role=restore", key);
  if (config->disk_count == 0)
    return BAD ("%s= must come after the disk= that it belongs to", key);
  disk = &config->disks[config->disk_count - 1];
  if (strcmp (key, "target-id") == 0)
    return set_string (&disk->target_id, key, value, why);
  if (disk->target_fd != 0)
    return BAD ("target-fd= is given twice");
  if (!read_number (value, 3, &disk->target_fd))
    return BAD ("target-fd=%s: must be the number of an open descriptor, from "
                "3 on", value);
  return 0;
}

static int
check_target (const struct disk_config *disk, struct failure *why)
{
  if (disk->target_fd != 0 && disk->target_id != NULL)
    return 0;
  return BAD ("disk %s needs target-fd=N and target-id=ID", disk->name);
}

/* --- all parameters --------------------------------------------------- */

static int
set_of_disk (struct plugin_config *config, const char *key, const char *value,
             struct failure *why)
{
  enum source_kind kind = find_source (key);
  bool of_both = strcmp (key, "pace") == 0;
  struct disk_config *disk;

  if (kind == SOURCE_NONE && !of_both && strcmp (key, "direct-id") != 0 &&
      strcmp (key, "direct-io") != 0 && strcmp (key, "bitmap") != 0 &&
      strcmp (key, "relay-cluster") != 0)
    return BAD ("unknown parameter %s=", key);
  if (config->role != ROLE_VIEW && !of_both)
    return BAD ("%s= is only for role=view", key);
  if (config->role == ROLE_RESTORE)
    return refuse_of_backup (key, why);
  if (config->disk_count == 0)
    return BAD ("%s= must come after the disk= that it belongs to", key);
  disk = &config->disks[config->disk_count - 1];
  if (kind != SOURCE_NONE)
    return set_base (disk, kind, value, why);
  if (of_both)
    return set_string (&disk->pace, key, value, why);
  if (strcmp (key, "direct-id") == 0)
    return set_string (&disk->base.id, key, value, why);
  if (strcmp (key, "bitmap") == 0)
    return add_label (disk, value, why);
  if (strcmp (key, "relay-cluster") == 0)
    return set_relay_cluster (&disk->base, value, why);
  return set_yes_no (&disk->base.direct_io, key, value, why);
}

static int
set_of_backup (const struct plugin_config *config, char **field,
               const char *key, const char *value, struct failure *why)
{
  return config->role == ROLE_RESTORE ? refuse_of_backup (key, why)
         : set_string (field, key, value, why);
}

int
plugin_config_set (struct plugin_config *config, const char *key,
                   const char *value, struct failure *why)
{
  if (strcmp (key, "role") == 0)
    return set_role (config, value, why);
  if (config->role == ROLE_NONE)
    return BAD ("role= must be the first parameter, not %s=", key);
  if (strcmp (key, "fleece") == 0)
    return set_of_backup (config, &config->fleece, key, value, why);
  if (strcmp (key, "maps") == 0)
    return set_of_backup (config, &config->maps, key, value, why);
  if (strcmp (key, "write-limit") == 0)
    return set_write_limit (config, value, why);
  if (strcmp (key, "client-pid") == 0)
    return set_client_pid (config, value, why);
  if (strcmp (key, "outlive-parent") == 0)
    return set_yes_no (&config->outlive_parent, key, value, why);
  if (strcmp (key, "target-fd") == 0 || strcmp (key, "target-id") == 0)
    return set_target (config, key, value, why);
  if (strcmp (key, "consume") == 0)
    return config->role == ROLE_RESTORE ? refuse_of_backup (key, why)
           : set_yes_no (&config->consume, key, value, why);
  if (strcmp (key, "memory") == 0 || strcmp (key, "memory-owner") == 0)
    return set_memory (config, key, value, why);
  if (strcmp (key, "limit") == 0)
    return add_limit (config, value, why);
  if (strcmp (key, "backup") == 0)
    return set_string (&config->backup, key, value, why);
  if (strcmp (key, "disk") == 0)
    return add_disk (config, value, why);
  return set_of_disk (config, key, value, why);
}

int
plugin_config_check (const struct plugin_config *config, struct failure *why)
{
  size_t i;
  int r = 0;

  if (config->role == ROLE_NONE)
    return BAD ("role=sink, role=view or role=restore is required");
  if (config->fleece == NULL && config->role != ROLE_RESTORE)
    return BAD ("fleece=FOLDER is required");
  if (config->disk_count == 0)
    return BAD ("at least one disk=NAME is required");
  for (i = 0; i < config->disk_count && r == 0; i++)
    r = config->role == ROLE_VIEW ? check_base (&config->disks[i], why)
        : config->role == ROLE_RESTORE ? check_target (&config->disks[i], why)
        : 0;
  return r;
}

const char *
plugin_config_maps (const struct plugin_config *config)
{
  return config->maps != NULL ? config->maps : config->fleece;
}

void
plugin_config_free (struct plugin_config *config)
{
  size_t i, j;

  for (i = 0; i < config->disk_count; i++) {
    struct disk_config *disk = &config->disks[i];

    for (j = 0; j < disk->label_count; j++)
      free (disk->labels[j]);
    free (disk->labels);
    free (disk->name);
    free (disk->base.value);
    free (disk->base.relay);
    free (disk->base.id);
    free (disk->target_id);
    free (disk->pace);
  }
  for (i = 0; i < PLUGIN_LIMITS; i++)
    free (config->limits[i]);
  free (config->disks);
  free (config->fleece);
  free (config->maps);
  free (config->memory);
  free (config->backup);
  memset (config, 0, sizeof *config);
}
