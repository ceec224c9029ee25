/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvirt tells everything of a virtual machine but its process.  It writes that into a
 * file that only it can write; the number may be another's by now, whose command line
 * is not the one that libvirt has given its QEMU. */
#include <config.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <glib.h>

#include "json-members.h"
#include "libvirt-process.h"

/* libvirt's folder for one run is what a key of QEMU's lies in. */
#define KEY "/master-key.aes"

/* Of all virtual machines of one libvirt. */
static char *
state_folder (const char *uri)
{
  const char *path = strstr (uri, "///");

  if (path != NULL && g_str_has_prefix (path, "///session"))
    return g_build_filename (g_get_user_runtime_dir (), "libvirt", "qemu",
                             "run", NULL);
  return g_strdup ("/run/libvirt/qemu");
}

/* NUL after each word; NULL: there is no such process. */
static char *
command_line (pid_t pid, size_t *length)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/cmdline", (int) pid);
  char *text = NULL;

  return g_file_get_contents (path, &text, length, NULL) ? text : NULL;
}

/* The word after NAME; NULL: there is none. */
static const char *
word_after (const char *text, size_t length, const char *name)
{
  const char *word, *end = text + length;
  bool found = false;

  for (word = text; word < end; word += strlen (word) + 1) {
    if (found)
      return word;
    found = strcmp (word, name) == 0;
  }
  return NULL;
}

/* NULL: not to be found. */
static char *
folder_of (const char *text, size_t length)
{
  const char *word, *end = text + length;

  for (word = text; word < end; word += strlen (word) + 1) {
    CLEANUP_JSON json_object *object =
      word[0] == '{' ? json_tokener_parse (word) : NULL;
    const char *file = json_get_string (object, "file");

    if (file != NULL && g_str_has_suffix (file, KEY))
      return g_strndup (file, strlen (file) - strlen (KEY));
  }
  return NULL;
}

static pid_t
read_pid (const char *path)
{
  g_autofree char *text = NULL;
  long pid;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return 0;
  pid = strtol (text, NULL, 10);
  return pid > 0 && pid == (pid_t) pid ? (pid_t) pid : 0;
}

char *
libvirt_process_file (const char *uri, const char *name, const char *kind)
{
  g_autofree char *folder = state_folder (uri);

  return g_strconcat (folder, "/", name, kind, NULL);
}

int
libvirt_process_identify (const char *uri, json_object *identity,
                          struct failure *why)
{
  const char *name = json_get_string (identity, "name");
  const char *uuid = json_get_string (identity, "uuid"), *given = NULL;
  g_autofree char *file = libvirt_process_file (uri, name, ".pid");
  pid_t pid = read_pid (file);
  size_t length = 0;
  g_autofree char *text = pid == 0 ? NULL : command_line (pid, &length);
  g_autofree char *own = NULL;

  if (text != NULL)
    given = word_after (text, length, "-uuid");
  if (given == NULL || uuid == NULL || g_ascii_strcasecmp (given, uuid) != 0)
    return failure_set (why, FAILURE_QMP, EHOSTUNREACH,
                        "QEMU's process of %s cannot be found by libvirt's "
                        "file %s: run pullback-backupd on the host of that "
                        "libvirt, as root or as QEMU's user", name, file);
  json_add_i64 (identity, "pid", pid);
  own = folder_of (text, length);
  json_add_known (identity, "folder", own);
  return 0;
}
