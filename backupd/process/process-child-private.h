/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A child of process-child.h as its two files know it: how it is made, here, and how it
 * is watched, process-child.c. */
#ifndef PULLBACK_PROCESS_CHILD_PRIVATE_H
#define PULLBACK_PROCESS_CHILD_PRIVATE_H

#include "log.h"
#include "process-child.h"
#include "process.h"

#define PROCESS_CHILD_LISTENER 3

struct process_child {
  char *role;
  struct log_subject about;     /* whose it is */
  char **argv, **variables;
  char *oom_score_adj;
  bool background, once, listens;
  char *record;                 /* NULL: none */
  struct process_place place;   /* owned */
  int *fds;                     /* from 0 on; 3 is the listening socket, ours; -1: it is
                                 * the living process's alone */
  size_t n_fds;
  struct process process;       /* pid 0: not running */
  struct process_child_status status;   /* but its pid, which is above */
  int64_t window_start_ms;
  unsigned window_restarts;
  int64_t retry_ms;             /* when to start it again; 0: it need not be */
  int retry_pause_ms;           /* while something is short; 0: nothing is */
  struct process_child_patience patience;
  int64_t stopped_ms;           /* since when it is stopped; 0: it is not */
  int64_t told_ms;              /* when it was told to go on; 0: not since then */
  bool stopping;
  bool abandoned;               /* nobody else knows it any more */
};

struct process_child *process_child_make (const struct process_child_spec *spec);

/* Closes the listening socket, too. */
void process_child_free (struct process_child *child);
void process_child_close_listener (struct process_child *child);

/* Kills one that has been stopped for longer than it may be. */
void process_child_look_stopped (struct process_child *child);

/* How long to wait before it is started for the Nth time within a minute, ms; 0: not at
 * all. */
int process_child_pause (unsigned n);

/* Starts it.  0 also where it is to be tried again at child->retry_ms. */
int process_child_spawn (struct process_child *child);

int process_child_start_failure (const struct process_child *child, int r, struct failure *why);

/* After its end: takes note of it.  Then starts it anew, in the watcher, or before that knows it. */
void process_child_reap (struct process_child *child);
void process_child_start_again (struct process_child *child);
int process_child_start_dead (struct process_child *child, struct failure *why);

/* Finds its process and takes its listening socket, if the kernel lets us.  -ESRCH: it
 * does not live. */
int process_child_find (struct process_child *child, const char *const *marks);

#endif
