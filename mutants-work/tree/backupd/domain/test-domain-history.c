/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The file of ended backups: cut anywhere, out of room, and grown too long. */
#undef NDEBUG
#include <config.h>

#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>

#include "domain-history.h"
#include "json-members.h"

static char *path;

static void
add (const char *outcome)
{
  json_object *record = domain_history_record (NULL, 0, outcome, NULL);

  domain_history_add (path, record);
  json_object_put (record);
}

/* Is there a record of each of these, the newest first, and no other? */
static bool
has (const char *const *outcomes)
{
  struct failure why = { .error = 0 };
  json_object *records = NULL;
  size_t i;
  bool same = true;

  assert (domain_history_read (path, &records, &why) == 0);
  for (i = 0; outcomes[i] != NULL; i++)
    same = same && json_has_string (json_object_array_get_idx (records, i),
                                    "outcome", outcomes[i]);
  same = same && json_length (records) == i;
  json_object_put (records);
  return same;
}
#define HAS(...) has ((const char *const[]) { __VA_ARGS__, NULL })

static off_t
size_of (void)
{
  struct stat st;

  return stat (path, &st) < 0 ? 0 : st.st_size;
}

/* A crash in the middle of the second of three. */
static void
test_torn (void)
{
  off_t one, two, at;

  add ("committed");
  one = size_of ();
  add ("aborted");
  two = size_of ();
  assert (HAS ("aborted", "committed"));
  for (at = two - 1; at > one; at--) {
    assert (truncate (path, at) == 0);
    assert (HAS ("committed"));
  }
  add ("failed: no room");
  assert (HAS ("failed: no room", "committed"));
  assert (unlink (path) == 0);
}

/* What does not fit as a whole is not there at all. */
static void
test_no_room (void)
{
  struct rlimit old, less;
  off_t before;

  add ("committed");
  before = size_of ();
  assert (getrlimit (RLIMIT_FSIZE, &old) == 0);
  less = old;
  less.rlim_cur = (rlim_t) before + 20;
  signal (SIGXFSZ, SIG_IGN);
  assert (setrlimit (RLIMIT_FSIZE, &less) == 0);
  add ("aborted");
  assert (setrlimit (RLIMIT_FSIZE, &old) == 0);
  assert (size_of () == before);
  add ("aborted");
  assert (HAS ("aborted", "committed"));
  assert (unlink (path) == 0);
}

/* By lines, and by bytes. */
static void
test_bounded (void)
{
  g_autofree char *long_one = g_strnfill (300 * 1024, 'x');
  struct failure why = { .error = 0 };
  json_object *records;
  int i;

  for (i = 0; i <= DOMAIN_HISTORY_MOST; i++)
    add ("committed");
  assert (domain_history_read (path, &records, &why) == 0);
  assert (json_length (records) <= DOMAIN_HISTORY_MOST &&
          json_length (records) > DOMAIN_HISTORY_MOST / 2);
  json_object_put (records);
  for (i = 0; i < 10; i++)
    add (long_one);
  assert (size_of () <= 2 * 1024 * 1024);
  assert (domain_history_read (path, &records, &why) == 0);
  assert (json_length (records) > 0);
  assert (json_has_string (json_object_array_get_idx (records, 0), "outcome",
                           long_one));
  json_object_put (records);
  assert (unlink (path) == 0);
}

static void
test_cause (void)
{
  static const struct { const char *outcome, *cause; } rows[] = {
    { "broken: scratch-full: vda", "scratch-full" },
    { "qemu-exited: QEMU has exited", "qemu-exited" },
    { "aborted: migration: VM moves", "migration" },
    { "broken: the disk my-migration: gone", NULL },
    { "guest-shutdown: the guest has shut down", "guest-shutdown" },
    { "committed", NULL }
  };
  size_t i;

  for (i = 0; i < G_N_ELEMENTS (rows); i++) {
    json_object *record =
      domain_history_record (NULL, 0, rows[i].outcome, NULL);

    assert (g_strcmp0 (json_get_string (record, "cause"), rows[i].cause) == 0);
    json_object_put (record);
  }
}

int
main (void)
{
  g_autofree char *folder = g_dir_make_tmp ("history-XXXXXX", NULL);

  path = g_build_filename (folder, "history", NULL);
  assert (HAS (NULL));
  test_torn ();
  test_no_room ();
  test_bounded ();
  test_cause ();
  assert (rmdir (folder) == 0);
  g_free (path);
  return 0;
}
