/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Removing or shrinking a file of a frozen file system waits, beyond the reach of
 * any signal, until it is thawed.  In a thread of ours that would keep the daemon
 * from ending, and with it the lock on the state folder; so rm (1) and
 * truncate (1) do it.  A remover has "SCRATCH/./NAME.data" of each disk as one whole
 * argument, by which it is found, and until it knows which these are "SCRATCH/./".
 * Who empties a file has it open instead: when storage goes on after an hour, the
 * name may be the next backup's. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "deadline.h"
#include "process-leftover.h"
#include "process-spawn.h"
#include "backup-store-files.h"

/* The remover's own arguments, the folder first, and then NULL; free with g_ptr_array_unref. */
static GPtrArray *
remover_arguments (const char *scratch, const char *const *names, size_t n)
{
  GPtrArray *arguments = g_ptr_array_new_with_free_func (g_free);

  g_ptr_array_add (arguments, g_strconcat (scratch, "/./", NULL));
  for (size_t i = 0; i < n; i++)
    g_ptr_array_add (arguments, g_strdup_printf ("%s/./%s.data", scratch,
                                                 names[i]));
  g_ptr_array_add (arguments, NULL);
  return arguments;
}

/* Reads what it complains of until it ends. */
static int
wait_for_end (int fd, int64_t deadline, char *said, size_t size)
{
  size_t n = 0;

  for (;;) {
    char more[256];
    struct pollfd p = { .fd = fd, .events = POLLIN };
    ssize_t r = poll (&p, 1, ms_left (deadline));

    if (r == 0)
      return -ETIMEDOUT;
    if (r > 0)
      r = read (fd, more, sizeof more);
    if (r < 0 && errno != EINTR)
      return -errno;
    if (r == 0)
      break;
    for (ssize_t i = 0; i < r && n < size - 1; i++)
      if (more[i] != '\n')
        said[n++] = more[i];
  }
  said[n] = '\0';
  return n == 0 ? 0 : -EIO;
}

/* Runs SCRIPT as NAME, with WORDS and standard input.  *FD: what it complains of. */
static int
start_script (const char *script, const char *name, GPtrArray *words, int input,
              struct process *process, int *fd)
{
  const char *const first[] = { "sh", "-c", script, name };
  g_autofree char **argv = g_new0 (char *, G_N_ELEMENTS (first) + words->len + 1);
  int ends[2], r;

  for (size_t i = 0; i < G_N_ELEMENTS (first); i++)
    argv[i] = (char *) first[i];
  for (guint i = 0; i < words->len; i++)
    argv[G_N_ELEMENTS (first) + i] = g_ptr_array_index (words, i);

  if (pipe2 (ends, O_CLOEXEC) < 0)
    return -errno;
  r = process_spawn (&(struct process_spec) {
                       .program = "/bin/sh", .argv = argv,
                       .descriptors = (int[]) { input, PROCESS_NULL,
                                                ends[1] },
                       .n_descriptors = 3 }, process);
  close (ends[1]);
  if (r < 0)
    close (ends[0]);
  else
    *fd = ends[0];
  return r;
}

int
backup_store_files_remove (const char *scratch, const char *const *names,
                           size_t n, int64_t deadline, struct failure *why)
{
  g_autoptr (GPtrArray) files = remover_arguments (scratch, names, n);
  struct process remover;
  char said[256] = "";
  CLEANUP_FD int fd = -1;
  int r = start_script ("folder=$1 && shift && "
                        "exec rm -f -- \"$@\" \"$folder\"*.data "
                        "\"$folder\"*@*.dirty", "pullback-remove", files,
                        PROCESS_NULL, &remover, &fd);

  if (r < 0)
    return failure_set (why, FAILURE_GENERIC, -r, "cannot run rm: %s",
                        g_strerror (-r));
  r = wait_for_end (fd, deadline, said, sizeof said);
  process_let_go (&remover);
  if (r == -ETIMEDOUT)
    failure_set (why, FAILURE_STORAGE, ETIMEDOUT, "the storage of %s does not "
                 "answer", scratch);
  else if (r < 0)
    failure_set (why, FAILURE_STORAGE, -r, "%s", said[0] != '\0' ? said
                                                 : g_strerror (-r));
  return r;
}

void
backup_store_files_end_removers (const char *scratch,
                                 const char *const *names, size_t n)
{
  g_autoptr (GPtrArray) files = remover_arguments (scratch, names, n);

  process_leftover_kill_any ((const char *const *) files->pdata);
}

int
backup_store_files_empty (int data_fd, uint64_t size,
                          struct backup_emptier *emptier, struct failure *why)
{
  g_autoptr (GPtrArray) words = g_ptr_array_new_with_free_func (g_free);
  int r;

  g_ptr_array_add (words, g_strdup ("/proc/self/fd/0"));
  g_ptr_array_add (words, g_strdup_printf ("%" PRIu64, size));
  r = start_script ("truncate -c -s 0 -- \"$1\" && "
                    "exec truncate -c -s \"$2\" -- \"$1\"",
                    "pullback-empty", words, data_fd, &emptier->process,
                    &emptier->said);
  return r == 0 ? 0 : failure_set (why, FAILURE_GENERIC, -r, "cannot run "
                                   "truncate: %s", g_strerror (-r));
}

int
backup_store_files_emptied (struct backup_emptier *emptier,
                            struct failure *why)
{
  struct process_end end = { .unknown = true };
  char said[256] = "";
  int r = process_wait (&emptier->process, 0, &end);

  if (r == -ETIMEDOUT)
    return -EAGAIN;
  /* It has ended, so that this does not wait. */
  (void) wait_for_end (emptier->said, 0, said, sizeof said);
  close (emptier->said);
  if (r == 0 && !end.unknown && !end.by_signal && end.number == 0)
    return 0;
  return failure_set (why, FAILURE_STORAGE, EIO, "%s", said[0] != '\0' ? said
                      : "truncate was killed");
}

void
backup_store_files_leave (struct backup_emptier *emptier)
{
  if (emptier->process.pid == 0)
    return;
  process_let_go (&emptier->process);
  close (emptier->said);
}
