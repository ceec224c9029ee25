/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The programs a backup runs (sink, view, gateway): started on a listening
 * socket that the daemon holds, watched, and started again when they die.  They go on
 * when the daemon dies, and are taken over by the next.
 *
 * Because the daemon holds the listening socket, a peer that connects while a
 * child is being restarted waits in the backlog and is not refused.
 *
 * Threads: one watcher thread for all children of the daemon; the calls may
 * come from any thread. */
#ifndef PULLBACK_PROCESS_CHILD_H
#define PULLBACK_PROCESS_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "failure.h"
#include "process.h"
#include "process-listen.h"

/* The first of more_fds there. */
#define PROCESS_CHILD_MORE 4

struct process_child;

/* Starts the watcher.  Once, from main, before any process_child_start. */
int process_child_watcher_start (void) WARN_UNUSED;
void process_child_watcher_stop (void);

/* False where the watcher does not get on. */
bool process_child_watcher_lives (void);

/* Has the watcher give memory that is free back to the kernel, a little later: of
 * many calls one counts. */
void process_child_trim_soon (void);

/* With one that somebody stops (SIGSTOP, a debugger).  Looked at every 200 ms, whatever the
 * caller's thread does; 0: for ever. */
struct process_child_patience {
  int go_on_ms;                 /* it is told to go on (SIGCONT) after that */
  int kill_ms;                  /* it is killed, and so started again */
};

struct process_child_spec {
  const char *role;             /* for messages: "sink" */
  char *const *argv;            /* copied; the program by PATH */
  char *const *variables;       /* "NAME=VALUE", copied; NULL: none */
  int listen_fd;                /* descriptor 3 there; moves to the child, also
                                 * when it cannot be started; -1: listens at its
                                 * place, or, where there is none, nowhere (/dev/null) */
  struct process_place place;   /* copied */
  const int *more_fds;          /* descriptors 4, 5, ... there, at each start;
                                 * the numbers are copied, but the caller keeps
                                 * them open until process_child_stop is done */
  size_t n_more_fds;
  const char *oom_score_adj;    /* see process-self.h; NULL: ours */
  bool background;              /* see process-spawn.h */
  bool once;                    /* when it dies it is given up */
  const char *record;           /* the file by which another daemon finds it
                                 * (process-record.h), copied; NULL: it cannot */
  struct process_child_patience patience;
};

/* Runs it with LISTEN_FDS=1, /dev/null as standard input and our standard error
 * as both outputs.  Restarted when it dies, without delay but where it dies again
 * and again (then up to 1 s); a child that dies more than 20 times in a minute is
 * given up, and its status says so.  Where
 * descriptors, processes or memory are short, also now, the watcher tries again
 * until they are not.  Its pid is 0 as long as it waits. */
int process_child_start (const struct process_child_spec *spec, struct process_child **child,
                         struct failure *why) WARN_UNUSED;

/* Takes over the child that another daemon has started by such a spec: one that has all MARKS
 * (NULL ends them) as whole arguments, and, where its record has a pid, is that process.  What
 * it runs may be older than the spec, which counts when it is started again: at once where it
 * does not live, at its place. */
int process_child_adopt (const struct process_child_spec *spec, const char *const *marks,
                         struct process_child **child, struct failure *why) WARN_UNUSED;

/* A descriptor of its process, like its NUMBER, for the caller to close; -errno where there is
 * none or the kernel does not let us. */
int process_child_descriptor (struct process_child *child, int number) WARN_UNUSED;

/* Takes the place of its spec's patience.  CHILD may be NULL: nothing is done. */
void process_child_limit_stop (struct process_child *child,
                               struct process_child_patience patience);

/* To its process, if it runs.  CHILD may be NULL: nothing is done. */
void process_child_signal (struct process_child *child, int number);

/* SIGTERM, and wait until DEADLINE for what its end was; also of one that has ended before.
 * -ETIMEDOUT: it still runs.  It is not started again; only process_child_stop may follow. */
int process_child_end (struct process_child *child, int64_t deadline, struct process_end *end) WARN_UNUSED;

/* SIGTERM, wait up to 5 s, SIGKILL, wait up to 1 s; closes the listening socket.
 * One that hangs in the kernel even then is left to end when it can. */
void process_child_stop (struct process_child *child);

/* It goes on by itself, unwatched, and is not ours any more; NULL is nothing. */
void process_child_leave (struct process_child *child);

struct process_child_status {
  pid_t pid;                    /* 0: it does not run now */
  unsigned restarts;            /* by all daemons */
  int64_t started_ms;           /* of now_ms (), the last start */
  bool failed;                  /* it was given up */
  struct process_end end;       /* its last one, where there was one */
};

/* What is true of it at one moment; of NULL, that nothing was started. */
struct process_child_status process_child_status (struct process_child *child);

#endif
