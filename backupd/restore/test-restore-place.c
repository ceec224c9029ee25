/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mark: no-valgrind (it does not know pidfds) */
/* What paths lead to, also when somebody exchanges it. */
#include <config.h>

#undef NDEBUG
#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib.h>

#include "deadline.h"
#include "test-restore.h"

/* --- links and folders ----------------------------------------------------------- */

static void
test_folders (void)
{
  g_autofree char *allowed = in_folder ("allowed"), *link = in_folder ("link");
  const char *folders[] = { "/nonexistent", allowed, NULL };
  const char *by_link[] = { link, NULL };
  struct restore_target *target;

  assert (shell ("mkdir allowed allowed-not other; ln -s allowed link; "
                 "truncate -s 1M allowed/disk allowed-not/disk other/disk; "
                 "ln -s ../other/disk allowed/out; ln -s ../allowed/disk other/in") == 0);
  target = open_target (SPEC (.folders = folders), "other/in");
  assert (g_str_has_suffix (restore_target_path (target), "/allowed/disk"));
  restore_target_close (target);
  restore_target_close (open_target (SPEC (.folders = by_link), "allowed/disk"));
  restore_target_close (open_target (SPEC (.folders = folders), "link/disk"));
  refused (SPEC (.folders = folders), "allowed/out", "/other/disk is outside the folders");
  refused (SPEC (.folders = folders), "allowed/../other/disk", "outside the folders");
  refused (SPEC (.folders = folders), "allowed-not/disk", "outside the folders");
  refused (SPEC (.folders = folders), "allowed", "outside the folders");
  refused (NEW (MIB, .folders = folders), "other/new", "outside the folders");
  refused (NEW (MIB, .folders = folders), "allowed/../other/new", "outside the folders");
  restore_target_close (open_target (NEW (MIB, .folders = folders), "link/new"));
  assert (shell ("rm -r allowed allowed-not other link") == 0);
}

/* The image was resolved, and is a link when it is opened: with luck, within many
 * tries, in that very moment. */
static void
test_swapped (void)
{
  g_autofree char *allowed = in_folder ("allowed");
  const char *folders[] = { allowed, NULL };
  struct stat st, other;
  g_autofree char *secret = in_folder ("secret");
  int64_t end = now_ms () + 2000;
  pid_t swapper;

  assert (shell ("mkdir -p allowed/a; truncate -s 1M allowed/a/disk; mkdir b; "
                 "truncate -s 1M b/disk; truncate -s 1M secret; "
                 "ln -s ../../secret allowed/a/evil; ln -s ../b allowed/evil") == 0);
  assert (stat (secret, &other) == 0);
  swapper = fork ();
  assert (swapper >= 0);
  if (swapper == 0) {
    assert (chdir (folder) == 0 && chdir ("allowed") == 0);
    for (;;) {
      renameat2 (AT_FDCWD, "a/disk", AT_FDCWD, "a/evil", RENAME_EXCHANGE);
      renameat2 (AT_FDCWD, "a", AT_FDCWD, "evil", RENAME_EXCHANGE);
    }
  }
  while (ms_left (end) > 0) {
    struct restore_target *target;

    if (try (SPEC (.folders = folders), "allowed/a/disk", &target) < 0)
      continue;
    assert (fstat (restore_target_io_fd (target), &st) == 0);
    assert (st.st_ino != other.st_ino);
    assert (g_str_has_prefix (restore_target_path (target), allowed));
    restore_target_close (target);
  }
  assert (kill (swapper, SIGKILL) == 0 && waitpid (swapper, NULL, 0) == swapper);
  assert (shell ("rm -r allowed b secret") == 0);
}

/* What is done later is done to the file and in the folder that were opened. */
static void
test_moved (void)
{
  struct restore_target *target, *fresh;
  char byte = 'x';

  assert (shell ("mkdir a; truncate -s 1M a/disk") == 0);
  target = open_target (SPEC (.size = 0), "a/disk");
  fresh = open_target (NEW (MIB), "a/new");
  assert (shell ("mv a b; mkdir a; truncate -s 1M a/disk") == 0);
  assert (restore_target_mark (target, &why) == 0);
  assert (exists ("b/disk" RESTORE_TARGET_MARK));
  assert (pwrite (restore_target_io_fd (target), &byte, 1, 0) == 1);
  assert (shell ("cmp -n 1 a/disk b/disk") != 0);
  assert (restore_target_publish (fresh, &why) == 0);
  assert (exists ("b/new") && !exists ("a/new"));
  restore_target_close (fresh);
  restore_target_close (target);
  assert (shell ("rm -r a b") == 0);
}

int
main (void)
{
  test_begin ("test-restore-place");
  test_folders ();
  test_swapped ();
  test_moved ();
  test_end ();
  return 0;
}
