/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mark: no-valgrind (it does not know pidfds) */
/* Targets with real files. */
#include <config.h>

#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <glib.h>

#include "json-members.h"
#include "test-restore.h"

/* --- targets that exist ------------------------------------------------------- */

static void
test_existing (void)
{
  struct restore_target *target;
  char byte = 'x';

  assert (shell ("truncate -s 1000001 disk") == 0);
  target = open_target (SPEC (.size = 0), "disk");
  assert (restore_target_size (target) == 1000001);
  assert (!restore_target_is_new (target) && !restore_target_is_block (target));
  assert (restore_target_temporary (target) == NULL);
  assert (restore_target_marked_by (target) == NULL);
  assert (g_str_has_prefix (restore_target_identity (target), "file:"));
  assert (restore_target_mark (target, &why) == 0);
  assert (exists ("disk" RESTORE_TARGET_MARK));
  assert (pwrite (restore_target_io_fd (target), &byte, 1, 1000000) == 1);
  assert (restore_target_sync (target, &why) == 0);
  assert (restore_target_publish (target, &why) == 0);
  assert (restore_target_discard (target, &why) == 0);
  assert (exists ("disk" RESTORE_TARGET_MARK));
  assert (restore_target_unmark (target, &why) == 0);
  assert (restore_target_unmark (target, &why) == 0);
  assert (!exists ("disk" RESTORE_TARGET_MARK));
  restore_target_close (target);
  refused (SPEC (.size = 512), "disk", "has 1000001 bytes, not 512");
  assert (shell ("rm disk") == 0);
}

static void
test_marks (void)
{
  struct restore_target *target, *later;

  assert (shell ("truncate -s 1M disk") == 0);
  target = open_target (SPEC (.size = 0), "disk");
  assert (restore_target_mark (target, &why) == 0);
  restore_target_close (target);
  /* It died; another one may have the image only where that is said. */
  refused (SPEC (.restore = "other"), "disk", "only half restored, by restore web1");
  later = open_target (SPEC (.restore = "other", .take_over = true), "disk");
  assert (strcmp (restore_target_marked_by (later), "web1") == 0);
  assert (restore_target_mark (later, &why) == 0);
  restore_target_close (later);
  target = open_target (SPEC (.take_over = true), "disk");
  assert (strcmp (restore_target_marked_by (target), "other") == 0);
  /* The first one's end comes late: the mark is the other's. */
  assert (restore_target_unmark (target, &why) == 0);
  assert (exists ("disk" RESTORE_TARGET_MARK));
  restore_target_close (target);
  assert (shell ("echo garbage >disk" RESTORE_TARGET_MARK) == 0);
  refused (SPEC (.size = 0), "disk", "remove that to go on");
  target = open_target (SPEC (.take_over = true), "disk");
  assert (strcmp (restore_target_marked_by (target), "") == 0);
  assert (restore_target_unmark (target, &why) == 0);
  assert (!exists ("disk" RESTORE_TARGET_MARK));
  restore_target_close (target);
  assert (shell ("rm disk") == 0);
}

/* What was restored must be found under its name. */
static void
test_names (void)
{
  struct restore_target *target;

  assert (shell ("truncate -s 1M disk") == 0);
  target = open_target (SPEC (.size = 0), "disk");
  assert (restore_target_check_name (target, &why) == 0);
  assert (shell ("mv disk moved; truncate -s 1M disk") == 0);
  why = (struct failure) { .error = 0 };
  assert (restore_target_check_name (target, &why) == -ESTALE);
  assert (strstr (why.text, "/disk was exchanged") != NULL);
  assert (g_str_has_suffix (why.text, "/moved"));
  assert (shell ("rm disk") == 0);
  why = (struct failure) { .error = 0 };
  assert (restore_target_check_name (target, &why) == -ENOENT);
  assert (strstr (why.text, "/disk is not there any more") != NULL);
  assert (shell ("ln -s moved disk") == 0);
  assert (restore_target_check_name (target, &why) == 0);
  assert (shell ("truncate -s 1000 moved") == 0);
  why = (struct failure) { .error = 0 };
  assert (restore_target_check_name (target, &why) == -EIO);
  assert (strstr (why.text, "has 1048576 bytes, and the file 1000") != NULL);
  assert (shell ("rm disk moved") == 0);
  why = (struct failure) { .error = 0 };
  assert (restore_target_check_name (target, &why) == -ENOENT);
  assert (strstr (why.text, "is in no file any more") != NULL);
  restore_target_close (target);
  target = open_target (NEW (MIB), "new");
  assert (restore_target_check_name (target, &why) == 0);
  assert (restore_target_discard (target, &why) == 0);
  restore_target_close (target);
}

/* A mark is not written through a link that somebody has put there. */
static void
test_mark_is_a_link (void)
{
  struct restore_target *target;

  assert (shell ("truncate -s 1M disk; echo precious >other") == 0);
  target = open_target (SPEC (.size = 0), "disk");
  assert (shell ("ln -s other disk" RESTORE_TARGET_MARK) == 0);
  assert (restore_target_mark (target, &why) < 0);
  assert (strstr (why.text, "the mark") != NULL);
  assert (shell ("grep -q precious other") == 0);
  restore_target_close (target);
  assert (shell ("rm disk other disk" RESTORE_TARGET_MARK) == 0);
}

static void
test_not_an_image (void)
{
  g_autofree char *path = in_folder ("socket");
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  CLEANUP_FD int fd = socket (AF_UNIX, SOCK_STREAM, 0);

  strcpy (address.sun_path, path);
  assert (bind (fd, (struct sockaddr *) &address, sizeof address) == 0);
  assert (shell ("mkdir dir; mkfifo fifo; truncate -s 1M one; ln one two; "
                 "truncate -s 1M ro; chmod 444 ro; touch empty") == 0);
  refused (SPEC (.size = 0), "none", "does not exist: to make a new image");
  refused (SPEC (.size = 0), "none/none", "does not exist");
  refused (SPEC (.size = 0), "one/none", "Not a directory");
  refused (SPEC (.size = 0), "dir", "is a folder, and no image");
  refused (SPEC (.size = 0), "fifo", "is a FIFO, and no image");
  refused (SPEC (.size = 0), "socket", "is a socket, and no image");
  refused (SPEC (.size = 0), "../../dev/null", "is a character device, and no image");
  refused (SPEC (.size = 0), "one", "has 2 names (hard links)");
  refused (SPEC (.size = 0), "ro", "is read-only");
  refused (SPEC (.size = 0), "empty", "has no bytes");
  refused (SPEC (.format = "luks"), "one", "the format luks cannot be restored to");
  why = (struct failure) { .error = 0 };
  assert (restore_target_open (&SPEC (.restore = "web1", .path = "one",
                                      .format = "raw"), NULL, &why) < 0);
  assert (strstr (why.text, "absolute path") != NULL);
  assert (shell ("rm -r dir fifo socket one two ro empty") == 0);
}

/* --- new ones ------------------------------------------------------------------------ */

static void
test_new (void)
{
  struct restore_target *target = open_target (NEW (3 * 512), "new");
  struct stat st;

  assert (restore_target_is_new (target));
  assert (g_str_has_suffix (restore_target_temporary (target), "/.new.pullback-web1"));
  assert (exists (".new.pullback-web1") && !exists ("new"));
  assert (fstat (restore_target_io_fd (target), &st) == 0);
  assert ((st.st_mode & 07777) == 0600 && st.st_size == 3 * 512);
  assert (restore_target_mark (target, &why) == 0);
  refused (NEW (MIB), "new", "is in use by process");
  assert (exists (".new.pullback-web1"));
  assert (restore_target_sync (target, &why) == 0);
  assert (restore_target_publish (target, &why) == 0);
  assert (!exists (".new.pullback-web1") && exists ("new"));
  assert (restore_target_publish (target, &why) == 0);
  assert (restore_target_discard (target, &why) == 0);
  assert (exists ("new"));
  restore_target_close (target);
  refused (NEW (MIB), "new", "exists already");
  refused (NEW (1000), "newer", "multiple of 512");
  refused (NEW (MIB), "none/newer", "the folder of");
  refused (NEW (MIB), ".", "is a folder");
  assert (shell ("touch newer" RESTORE_TARGET_MARK) == 0);
  refused (NEW (MIB), "newer", "is there without its image");
  assert (shell ("rm new newer" RESTORE_TARGET_MARK) == 0);
}

static void
test_new_is_thrown_away (void)
{
  struct restore_target *target = open_target (NEW (MIB), "new");

  assert (restore_target_discard (target, &why) == 0);
  assert (!exists (".new.pullback-web1"));
  /* Its name may be another's by now. */
  assert (shell ("touch .new.pullback-web1") == 0);
  assert (restore_target_discard (target, &why) == 0);
  assert (exists (".new.pullback-web1"));
  assert (restore_target_publish (target, &why) == -ESTALE);
  restore_target_close (target);
  /* One that nobody has locked is replaced. */
  target = open_target (NEW (MIB), "new");
  assert (shell ("test $(stat -c %%s .new.pullback-web1) = 1048576") == 0);
  assert (restore_target_discard (target, &why) == 0);
  restore_target_close (target);
  assert (!exists ("new"));
}

static void
test_new_name_is_taken (void)
{
  struct restore_target *target = open_target (NEW (MIB), "new");

  assert (shell ("echo precious >new") == 0);
  assert (restore_target_publish (target, &why) == -EEXIST);
  assert (strstr (why.text, ".new.pullback-web1") != NULL);
  assert (shell ("grep -q precious new && test -e .new.pullback-web1") == 0);
  assert (restore_target_discard (target, &why) == 0);
  restore_target_close (target);
  assert (shell ("rm new") == 0);
}

/* By another daemon. */
static void
test_records (void)
{
  struct restore_target *target = open_target (NEW (MIB), "new");
  CLEANUP_JSON json_object *record = restore_target_record (target);
  CLEANUP_JSON json_object *nothing = json_object_new_object ();
  struct restore_target *later;

  restore_target_close (target);
  assert (restore_target_from_record (nothing, &later, &why) == -EINVAL);
  why.error = 0;
  assert (restore_target_from_record (record, &later, &why) == 0);
  assert (restore_target_io_fd (later) < 0 && restore_target_size (later) == MIB);
  assert (restore_target_publish (later, &why) == 0);
  assert (restore_target_publish (later, &why) == 0);
  assert (exists ("new") && !exists (".new.pullback-web1"));
  restore_target_close (later);
  /* A crash between the link and the unlink of a rename. */
  assert (shell ("ln new .new.pullback-web1") == 0);
  assert (restore_target_from_record (record, &later, &why) == 0);
  assert (restore_target_publish (later, &why) == 0);
  assert (exists ("new") && !exists (".new.pullback-web1"));
  restore_target_close (later);
  assert (shell ("rm new") == 0);
  assert (restore_target_from_record (record, &later, &why) == 0);
  assert (restore_target_discard (later, &why) == 0);
  assert (restore_target_publish (later, &why) == -ENOENT);
  restore_target_close (later);
}

static void
test_records_of_existing (void)
{
  struct restore_target *target, *later;
  CLEANUP_JSON json_object *record = NULL;

  assert (shell ("mkdir a; truncate -s 1M a/disk") == 0);
  target = open_target (SPEC (.size = 0), "a/disk");
  record = restore_target_record (target);
  assert (restore_target_mark (target, &why) == 0);
  restore_target_close (target);
  assert (restore_target_from_record (record, &later, &why) == 0);
  assert (restore_target_unmark (later, &why) == 0);
  assert (!exists ("a/disk" RESTORE_TARGET_MARK));
  restore_target_close (later);
  /* Its folder is not mounted. */
  assert (shell ("mv a away") == 0);
  assert (restore_target_from_record (record, &later, &why) == 0);
  assert (restore_target_unmark (later, &why) == -ENODEV);
  assert (shell ("mkdir a") == 0);
  assert (restore_target_unmark (later, &why) == -ENODEV);
  assert (shell ("rmdir a; mv away a") == 0);
  assert (restore_target_unmark (later, &why) == 0);
  restore_target_close (later);
  assert (shell ("rm -r a") == 0);
}

static void
test_long_names (void)
{
  char name[256];
  struct restore_target *target;

  memset (name, 'n', sizeof name - 1);
  name[235] = '\0';
  target = open_target (NEW (MIB), name);
  assert (restore_target_publish (target, &why) == 0);
  assert (exists (name));
  restore_target_close (target);
  assert (shell ("rm n*") == 0);
  name[235] = 'n';
  name[236] = '\0';
  refused (NEW (MIB), name, "it may have 235 bytes");
}

static void
test_new_owner (void)
{
  struct restore_target *target;

  if (geteuid () != 0)
    return;
  assert (shell ("mkdir a; chown 1234:4321 a") == 0);
  target = open_target (NEW (MIB), "a/new");
  assert (restore_target_publish (target, &why) == 0);
  restore_target_close (target);
  assert (shell ("test $(stat -c %%u:%%g:%%a a/new) = 1234:4321:600; "
                 "test $? = 0") == 0);
  assert (shell ("rm -r a") == 0);
}

int
main (void)
{
  test_begin ("test-restore-target");
  test_existing ();
  test_names ();
  test_marks ();
  test_mark_is_a_link ();
  test_not_an_image ();
  test_new ();
  test_new_is_thrown_away ();
  test_new_name_is_taken ();
  test_records ();
  test_records_of_existing ();
  test_long_names ();
  test_new_owner ();
  test_end ();
  return 0;
}
