/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mark: no-valgrind (it does not know pidfds) */
#include <config.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib.h>

#include "deadline.h"
#include "backup-store-files.h"

#define DEADLINE_MS 20000

/* Quotes, spaces and patterns are plain letters. */
static char folder[] = "/tmp/pullback test '\"*-XXXXXX";

static const char *const names[] = { "vda", "v b.data", "$c\"'*" };

static char *
path_of (const char *name)
{
  return g_build_filename (folder, name, NULL);
}

static void
touch (const char *name)
{
  g_autofree char *path = path_of (name);
  CLEANUP_FD int fd = open (path, O_WRONLY | O_CREAT | O_EXCL, 0600);

  assert (fd >= 0);
}

static bool
exists (const char *name)
{
  g_autofree char *path = path_of (name);

  return access (path, F_OK) == 0;
}

static int
remove_files (const char *scratch, struct failure *why)
{
  *why = (struct failure) { 0 };
  return backup_store_files_remove (scratch, names, G_N_ELEMENTS (names),
                                    now_ms () + DEADLINE_MS, why);
}

static void
check_remove (void)
{
  struct failure why;

  touch ("vda.data");
  touch ("vda@dirty.dirty");
  touch ("vda@mon.dirty");
  touch ("vda@mon.other");
  touch ("v b.data.data");
  touch ("v b.data@dirty.dirty");
  touch ("$c\"'*.data");
  touch ("$c\"'*@mon.dirty");
  touch ("vda1.data");
  touch ("vda1@dirty.dirty");
  touch ("other");
  assert (remove_files (folder, &why) == 0);
  assert (!exists ("vda.data") && !exists ("vda@dirty.dirty") &&
          !exists ("vda@mon.dirty"));
  assert (!exists ("v b.data.data") && !exists ("v b.data@dirty.dirty"));
  assert (!exists ("$c\"'*.data") && !exists ("$c\"'*@mon.dirty"));
  /* One that was ended before it got there has left these. */
  assert (!exists ("vda1.data") && !exists ("vda1@dirty.dirty"));
  assert (exists ("vda@mon.other") && exists ("other"));
  assert (remove_files (folder, &why) == 0);
  assert (remove_files ("/nonexistent", &why) == 0);
  backup_store_files_end_removers (folder, names, G_N_ELEMENTS (names));
}

static void
check_refused (void)
{
  g_autofree char *in_the_way = path_of ("vda.data");
  struct failure why;

  assert (mkdir (in_the_way, 0700) == 0);
  assert (remove_files (folder, &why) == -EIO);
  assert (strstr (why.text, "vda.data") != NULL);
  assert (rmdir (in_the_way) == 0);
}

static char *
read_proc (pid_t pid, const char *file)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/%s", (int) pid, file);
  char *text = NULL;

  return g_file_get_contents (path, &text, NULL, NULL) ? text : g_strdup ("");
}

/* Our child, which shows its arguments; 0: there is none. */
static pid_t
find_child (void)
{
  g_autofree char *tasks = g_strdup_printf ("task/%d/children", (int) getpid ());

  for (;;) {
    g_autofree char *children = read_proc (getpid (), tasks);
    pid_t child = (pid_t) strtol (children, NULL, 10);
    g_autofree char *arguments = read_proc (child, "cmdline");
    g_autofree char *state = read_proc (child, "stat");

    if (child == 0 || arguments[0] != '\0' || strstr (state, ") Z ") != NULL)
      return child;
  }
}

/* It has yet to look which files there are, as on storage that hangs, when the next
 * backup, of another disk, comes. */
static void
check_late_remover (void)
{
  static const char *const next[] = { "next" };

  for (int i = 0; i < 20; i++) {
    struct failure why = { 0 };
    pid_t child;

    assert (backup_store_files_remove (folder, names, G_N_ELEMENTS (names),
                                       now_ms (), &why) <= 0);
    child = find_child ();
    if (child > 0)
      kill (child, SIGSTOP);
    backup_store_files_end_removers (folder, next, G_N_ELEMENTS (next));
    touch ("next.data");
    if (child > 0)
      kill (child, SIGCONT);
    while (waitpid (-1, NULL, 0) > 0)
      ;
    assert (exists ("next.data"));
    assert (remove_files (folder, &why) == 0);
  }
}

static int
wait_for (struct backup_emptier *emptier, struct failure *why)
{
  int64_t deadline = now_ms () + DEADLINE_MS;
  int r;

  while ((r = backup_store_files_emptied (emptier, why)) == -EAGAIN) {
    assert (ms_left (deadline) > 0);
    g_usleep (1000);
  }
  return r;
}

/* The file that is open, though its name is another's by then. */
static void
check_empty (void)
{
  g_autofree char *path = path_of ("vda.data");
  struct backup_emptier emptier;
  struct failure why = { 0 };
  struct stat st;
  CLEANUP_FD int old = -1;

  assert (g_file_set_contents (path, "old", 3, NULL));
  old = open (path, O_RDONLY | O_CLOEXEC);
  assert (old >= 0 && unlink (path) == 0);
  assert (g_file_set_contents (path, "new", 3, NULL));
  assert (backup_store_files_empty (old, 100000, &emptier, &why) == 0);
  assert (wait_for (&emptier, &why) == 0);
  assert (fstat (old, &st) == 0 && st.st_size == 100000 && st.st_blocks == 0);
  assert (stat (path, &st) == 0 && st.st_size == 3);
  assert (unlink (path) == 0);
}

static void
check_empty_fails (void)
{
  CLEANUP_FD int fd = open (folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  struct backup_emptier emptier;
  struct failure why = { 0 };

  assert (fd >= 0);
  assert (backup_store_files_empty (fd, 100, &emptier, &why) == 0);
  assert (wait_for (&emptier, &why) == -EIO);
  assert (strstr (why.text, "directory") != NULL);
}

int
main (void)
{
  g_autofree char *command = NULL, *quoted = NULL;

  alarm (300);
  assert (mkdtemp (folder) != NULL);
  check_remove ();
  check_refused ();
  check_late_remover ();
  check_empty ();
  check_empty_fails ();
  quoted = g_shell_quote (folder);
  command = g_strdup_printf ("rm -r -- %s", quoted);
  assert (system (command) == 0);
  return 0;
}
