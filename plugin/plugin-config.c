/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "name.h"
#include "plugin-config.h"

const char *const disk_config_keys[] = {
  "role", "fleece", "maps", "write-limit", "outlive-parent", "disk", "direct",
  "direct-io", "direct-fd", "direct-id", "relay", "bitmap", NULL
};

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
  else
    return BAD ("role=%s: the role must be \"sink\" or \"view\"", value);
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
  disks->direct_fd = -1;
  disks->name = strdup (value);
  if (disks->name == NULL)
    return failure_set (why, FAILURE_GENERIC, ENOMEM, "no memory for disk=%s",
                        value);
  config->disk_count++;
  return 0;
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
  labels[disk->label_count] = strdup (value);
  if (labels[disk->label_count] == NULL)
    return failure_set (why, FAILURE_GENERIC, ENOMEM, "no memory for bitmap=%s",
                        value);
  disk->label_count++;
  return 0;
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

/* Standard streams are no disks. */
static int
set_direct_fd (struct disk_config *disk, const char *value,
               struct failure *why)
{
  unsigned long fd;
  char *end;

  if (disk->direct_fd >= 0)
    return BAD ("direct-fd= is given twice");
  errno = 0;
  fd = strtoul (value, &end, 10);
  if (value[0] < '0' || value[0] > '9' || *end != '\0' || errno != 0 ||
      fd < 3 || fd > INT_MAX)
    return BAD ("direct-fd=%s: must be the number of an open descriptor, from "
                "3 on", value);
  disk->direct_fd = (int) fd;
  return 0;
}

static int
set_write_limit (struct plugin_config *config, const char *value,
                 struct failure *why)
{
  unsigned long ms;
  char *end;

  if (config->role != ROLE_SINK)
    return BAD ("write-limit= is only for role=sink");
  if (config->write_limit_given)
    return BAD ("write-limit= is given twice");
  errno = 0;
  ms = strtoul (value, &end, 10);
  if (value[0] < '0' || value[0] > '9' || *end != '\0' || errno != 0 ||
      ms > INT_MAX)
    return BAD ("write-limit=%s: must be a number of milliseconds, 0 for no "
                "limit", value);
  config->write_limit = (int) ms;
  config->write_limit_given = true;
  return 0;
}

static int
set_of_disk (struct plugin_config *config, const char *key, const char *value,
             struct failure *why)
{
  struct disk_config *disk;

  if (config->role != ROLE_VIEW)
    return BAD ("%s= is only for role=view", key);
  if (config->disk_count == 0)
    return BAD ("%s= must come after the disk= that it belongs to", key);
  disk = &config->disks[config->disk_count - 1];
  if (strcmp (key, "direct") == 0)
    return set_string (&disk->direct, key, value, why);
  if (strcmp (key, "direct-fd") == 0)
    return set_direct_fd (disk, value, why);
  if (strcmp (key, "direct-id") == 0)
    return set_string (&disk->direct_id, key, value, why);
  if (strcmp (key, "relay") == 0)
    return set_string (&disk->relay, key, value, why);
  if (strcmp (key, "bitmap") == 0)
    return add_label (disk, value, why);
  return set_yes_no (&disk->direct_io, key, value, why);
}

static bool
key_is_known (const char *key)
{
  size_t i;

  for (i = 0; disk_config_keys[i] != NULL; i++)
    if (strcmp (disk_config_keys[i], key) == 0)
      return true;
  return false;
}

int
plugin_config_set (struct plugin_config *config, const char *key,
                   const char *value, struct failure *why)
{
  if (!key_is_known (key))
    return BAD ("unknown parameter %s=", key);
  if (strcmp (key, "role") == 0)
    return set_role (config, value, why);
  if (config->role == ROLE_NONE)
    return BAD ("role= must be the first parameter, not %s=", key);
  if (strcmp (key, "fleece") == 0)
    return set_string (&config->fleece, key, value, why);
  if (strcmp (key, "maps") == 0)
    return set_string (&config->maps, key, value, why);
  if (strcmp (key, "write-limit") == 0)
    return set_write_limit (config, value, why);
  if (strcmp (key, "outlive-parent") == 0)
    return set_yes_no (&config->outlive_parent, key, value, why);
  if (strcmp (key, "disk") == 0)
    return add_disk (config, value, why);
  return set_of_disk (config, key, value, why);
}

static int
check_base (const struct disk_config *disk, struct failure *why)
{
  if ((disk->direct != NULL) + (disk->direct_fd >= 0) +
      (disk->relay != NULL) != 1)
    return BAD ("disk %s needs one of direct=PATH, direct-fd=N and relay=URI",
                disk->name);
  if (disk->direct_io && disk->direct == NULL)
    return BAD ("disk %s: direct-io=yes needs direct=PATH", disk->name);
  if ((disk->direct_fd >= 0) != (disk->direct_id != NULL))
    return BAD ("disk %s: direct-fd=N and direct-id=ID need each other",
                disk->name);
  return 0;
}

int
plugin_config_check (const struct plugin_config *config, struct failure *why)
{
  size_t i;
  int r = 0;

  if (config->role == ROLE_NONE)
    return BAD ("role=sink or role=view is required");
  if (config->fleece == NULL)
    return BAD ("fleece=FOLDER is required");
  if (config->disk_count == 0)
    return BAD ("at least one disk=NAME is required");
  for (i = 0; config->role == ROLE_VIEW && i < config->disk_count && r == 0; i++)
    r = check_base (&config->disks[i], why);
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
    free (disk->direct);
    free (disk->direct_id);
    free (disk->relay);
  }
  free (config->disks);
  free (config->fleece);
  free (config->maps);
  memset (config, 0, sizeof *config);
}
