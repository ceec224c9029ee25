/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The program has nothing that must be undone, and may be waiting for a QEMU or a
 * guest that hangs: so it is killed, and never asked to end.  But one that has a turn is
 * what counts a worker of libvirtd as held. */
#include <config.h>

#include <errno.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <glib.h>

#include "libvirt-program.h"
#include "libvirt-turn.h"
#include "process-self.h"
#include "process-spawn.h"

#define PROGRAM "pullback-libvirt"

static int
spawn (const char *uri, const char *domain, const char *more, int fd,
       struct process *process)
{
  g_autofree char *program = process_self_program (PROGRAM, NULL);
  char *argv[8] = { (char *) PROGRAM, (char *) "--uri", (char *) uri };
  bool by_turns = more == NULL;
  int turns = by_turns ? libvirt_turn_file (uri) : -1;
  size_t n = 3;

  if (program == NULL)
    return -ENOENT;
  if (by_turns && turns < 0)
    return turns;
  if (domain != NULL) {
    argv[n++] = (char *) "--domain";
    argv[n++] = (char *) domain;
  }
  argv[n] = by_turns ? (char *) "--turns" : (char *) more;
  return process_spawn (&(struct process_spec) {
                          .program = program, .argv = argv,
                          .descriptors = (int[]) { fd, STDERR_FILENO,
                                                   STDERR_FILENO, turns },
                          .n_descriptors = by_turns ? 4 : 3,
                          .death_signal = SIGKILL },
                        process);
}

int
libvirt_program_start (const char *uri, const char *domain, const char *more,
                       struct process *process, int *fd, struct failure *why)
{
  int fds[2], r;

  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
    return failure_set (why, FAILURE_GENERIC, errno,
                        PROGRAM " cannot be started: %s", g_strerror (errno));
  r = spawn (uri, domain, more, fds[1], process);
  close (fds[1]);
  if (r == 0) {
    *fd = fds[0];
    return 0;
  }
  close (fds[0]);
  if (r == -ENOENT)
    return failure_set (why, FAILURE_GENERIC, ENOPKG,
                        PROGRAM " is not installed, which is needed for "
                        "--libvirt: install it, or build pullback where "
                        "libvirt-dev is");
  return failure_set (why, FAILURE_GENERIC, -r,
                      PROGRAM " cannot be started: %s", g_strerror (-r));
}

void
libvirt_program_kill (struct process *process)
{
  if (process->pid == 0)
    return;
  (void) pidfd_send_signal (process->pidfd, SIGKILL, NULL, 0);
  process_let_go (process);
}

void
libvirt_program_end (const char *uri, struct process *process)
{
  if (process->pid > 0 && libvirt_turn_is_held (uri, process->pid))
    process_let_go (process);
  else
    libvirt_program_kill (process);
}
