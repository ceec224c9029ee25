/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A record is one write at the end of the file.  A crash within it leaves a line
 * without an end, which is not read, and ended before the next: so nothing has to
 * be synced, and nothing is lost but the newest.  Nobody's commit may fail for want
 * of room here. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "domain-history.h"
#include "file.h"
#include "full-io.h"
#include "json-members.h"
#include "log.h"

/* With this many bytes, or DOMAIN_HISTORY_MOST lines, the oldest go; a quarter at
 * once, so that this is rare. */
#define BYTES_MOST (1024 * 1024)
/* More than that is not ours. */
#define BYTES_READ (4 * BYTES_MOST)

/* --- a record -------------------------------------------------------- */

/* The first word of OUTCOME. */
static char *
first_word (const char *outcome)
{
  return g_strndup (outcome, strcspn (outcome, ": "));
}

/* "broken: scratch-full: ..." is broken by scratch-full; other sentences may
 * begin with the name of a disk. */
static const char *
known_cause (const char *outcome)
{
  static const char *const causes[] = { "migration", "scratch-full",
                                        "scratch-slow", "qemu-exited",
                                        "guest-shutdown" };
  size_t i;

  for (i = 0; i < G_N_ELEMENTS (causes); i++) {
    const char *at = strstr (outcome, causes[i]);

    if (at != NULL && (at == outcome || at[-1] == ' ') &&
        (at[strlen (causes[i])] == ':' || at[strlen (causes[i])] == '\0'))
      return causes[i];
  }
  return NULL;
}

static void
copy_member (json_object *record, json_object *info, const char *key)
{
  json_object *value = json_object_object_get (info, key), *copy = NULL;

  if (value != NULL && json_object_deep_copy (value, &copy, NULL) == 0)
    json_object_object_add (record, key, copy);
}

static uint64_t
sum_of (json_object *disks, const char *key)
{
  uint64_t sum = 0;
  size_t i;

  for (i = 0; i < json_length (disks); i++)
    sum += json_get_u64 (json_object_array_get_idx (disks, i), key);
  return sum;
}

static uint64_t
count_restarts (json_object *info)
{
  json_object *restarts = json_get_object (info, "restarts");
  uint64_t n = 0;

  if (restarts == NULL)
    return 0;
  json_object_object_foreach (restarts, role, value) {
    (void) role;
    n += json_object_get_uint64 (value);
  }
  return n;
}

/* Of all disks at once: why it is no incremental one is what the first that is not
 * has. */
static void
add_mode (json_object *record, json_object *disks)
{
  const char *reason = NULL;
  size_t i, fulls = 0, n = json_length (disks);

  for (i = 0; i < n; i++) {
    json_object *disk = json_object_array_get_idx (disks, i);

    if (json_has_string (disk, "mode", "incremental"))
      continue;
    fulls++;
    if (reason == NULL)
      reason = json_get_string (disk, "reason");
  }
  json_add_string (record, "mode", fulls == 0 ? "incremental"
                   : fulls == n ? "full" : "mixed");
  json_add_known (record, "reason", reason);
}

static json_object *
list_disks (json_object *disks)
{
  static const char *const keys[] = { "name", "mode", "reason", "size",
                                      "dirty-bytes", "served",
                                      "consecutive-fulls" };
  json_object *list = json_object_new_array ();
  size_t i, j;

  for (i = 0; i < json_length (disks); i++) {
    json_object *disk = json_object_new_object ();

    for (j = 0; j < G_N_ELEMENTS (keys); j++)
      copy_member (disk, json_object_array_get_idx (disks, i), keys[j]);
    json_object_array_add (list, disk);
  }
  return list;
}

static void
add_info (json_object *record, json_object *info)
{
  static const char *const keys[] = { "checkpoint", "incremental", "consumer",
                                      "frozen-ms", "quiesced-ms", "adopted" };
  json_object *disks = json_get_array (info, "disks");
  json_object *scratch = json_get_object (info, "scratch");
  size_t i;

  for (i = 0; i < G_N_ELEMENTS (keys); i++)
    copy_member (record, info, keys[i]);
  if (json_length (disks) > 0)
    add_mode (record, disks);
  json_add_u64 (record, "size", sum_of (disks, "size"));
  json_add_u64 (record, "dirty-bytes", sum_of (disks, "dirty-bytes"));
  json_add_u64 (record, "served-bytes", sum_of (disks, "served"));
  json_add_u64 (record, "scratch-bytes", scratch != NULL
                ? json_get_u64 (scratch, "used") +
                  json_get_u64 (scratch, "freed")
                : sum_of (disks, "fleece-bytes"));
  json_add_u64 (record, "restarts", count_restarts (info));
  json_object_object_add (record, "disks", list_disks (disks));
}

json_object *
domain_history_record (json_object *info, int64_t begun, const char *outcome,
                       const char *class)
{
  json_object *record = json_object_new_object ();
  g_autofree char *result = first_word (outcome);
  int64_t now = g_get_real_time ();

  if (begun == 0)
    begun = (int64_t) json_get_u64 (info, "started") * G_USEC_PER_SEC;
  if (begun == 0 || begun > now)
    begun = now;
  json_add_i64 (record, "started", begun / G_USEC_PER_SEC);
  json_add_i64 (record, "ended", now / G_USEC_PER_SEC);
  json_add_i64 (record, "duration-ms", (now - begun) / 1000);
  json_add_string (record, "result", result);
  json_add_string (record, "outcome", outcome);
  json_add_known (record, "cause",
                  class != NULL ? class : known_cause (outcome));
  if (info != NULL)
    add_info (record, info);
  return record;
}

/* --- the file -------------------------------------------------------- */

/* A power cut may leave bytes of 0 where lines were. */
static int
read_text (const char *path, char **text, size_t *length)
{
  int r = file_read (path, BYTES_READ, text, length);
  size_t i;

  for (i = 0; r == 0 && i < *length; i++)
    if ((*text)[i] == '\0')
      (*text)[i] = '\n';
  return r;
}

/* The last lines of TEXT, of which less is left than may be. */
static const char *
newest_lines (const char *text, size_t length)
{
  const char *at = text + length, *end;
  size_t lines = 0;

  while (at > text && lines <= DOMAIN_HISTORY_MOST * 3 / 4 &&
         text + length - at <= BYTES_MOST * 3 / 4)
    lines += *--at == '\n';
  if (at == text)
    return text;
  /* The line that went beyond is not whole. */
  end = strchr (at, '\n');
  return end == NULL ? text + length : end + 1;
}

static size_t
count_lines (const char *text)
{
  size_t lines = 0;

  while ((text = strchr (text, '\n')) != NULL) {
    lines++;
    text++;
  }
  return lines;
}

/* A line that cannot be written as a whole is taken back. */
static int
append (const char *path, const char *line)
{
  CLEANUP_FD int fd = open (path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC |
                            O_NOFOLLOW, 0600);
  off_t size = fd < 0 ? -1 : lseek (fd, 0, SEEK_END);
  size_t length = strlen (line);
  ssize_t n;

  if (size < 0)
    return -errno;
  n = write (fd, line, length);
  if (n == (ssize_t) length)
    return 0;
  n = n < 0 ? -errno : -ENOSPC;
  return ftruncate (fd, size) < 0 ? -errno : (int) n;
}

static int
add_line (const char *path, const char *line)
{
  CLEANUP_FREE char *text = NULL;
  g_autofree char *all = NULL;
  size_t length = 0;
  int r = read_text (path, &text, &length);
  bool torn = r == 0 && length > 0 && text[length - 1] != '\n';

  if (r < 0 && r != -ENOENT)
    return r;
  if (r == -ENOENT || (length + strlen (line) <= BYTES_MOST &&
                       count_lines (text) < DOMAIN_HISTORY_MOST)) {
    all = g_strconcat (torn ? "\n" : "", line, NULL);
    return append (path, all);
  }
  all = g_strconcat (newest_lines (text, length), torn ? "\n" : "", line, NULL);
  return file_replace (path, all, strlen (all));
}

void
domain_history_add (const char *path, json_object *record)
{
  g_autofree char *line = g_strconcat (
    json_object_to_json_string_ext (record, JSON_C_TO_STRING_PLAIN |
                                    JSON_C_TO_STRING_NOSLASHESCAPE), "\n",
    NULL);
  int r = add_line (path, line);

  if (r < 0)
    log_warning ("the backup that has ended is not added to %s: %s", path,
                 g_strerror (-r));
}

void
domain_history_tidy (const char *path)
{
  file_replace_tidy (path);
}

/* One line of the file; NULL: it is no record. */
static json_object *
read_line (const char *line)
{
  json_object *record = json_tokener_parse (line);

  if (json_get_string (record, "outcome") != NULL &&
      json_get (record, "ended", json_type_int) != NULL)
    return record;
  json_object_put (record);
  return NULL;
}

int
domain_history_read (const char *path, json_object **records,
                     struct failure *why)
{
  CLEANUP_FREE char *text = NULL;
  size_t length;
  json_object *list;
  char *end;
  int r = read_text (path, &text, &length);

  if (r < 0 && r != -ENOENT)
    return failure_set (why, FAILURE_STORAGE, -r, "cannot read %s: %s", path,
                        g_strerror (-r));
  list = json_object_new_array ();
  /* What follows the last newline is torn. */
  while (text != NULL && (end = strrchr (text, '\n')) != NULL) {
    char *start;
    json_object *record;

    *end = '\0';
    start = strrchr (text, '\n');
    record = read_line (start == NULL ? text : start + 1);
    if (record != NULL)
      json_object_array_add (list, record);
  }
  *records = list;
  return 0;
}
