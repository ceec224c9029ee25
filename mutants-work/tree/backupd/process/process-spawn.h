/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one way in which our programs start other programs.
 *
 * A new process has exactly the descriptors that it is given, whatever else
 * is open here and whoever else is starting one at the same moment.  Its signals
 * are as they were for the first process of all: none blocked, none ignored.
 *
 * Threads: any, unless said otherwise. */
#ifndef PULLBACK_PROCESS_SPAWN_H
#define PULLBACK_PROCESS_SPAWN_H

#include <stdbool.h>
#include <stddef.h>

#include "process.h"

/* Given as a descriptor: /dev/null. */
#define PROCESS_NULL (-1)

struct process_spec {
  const char *program;          /* with a slash a path, else found by PATH */
  char *const *argv;            /* NULL ends it */
  char *const *variables;       /* "NAME=VALUE" over our own; NULL: none */
  const int *descriptors;       /* become 0, 1, 2, ... there; borrowed */
  size_t n_descriptors;
  size_t n_listening;           /* so many from 3 on are listening sockets, told
                                 * by LISTEN_FDS and LISTEN_PID */
  bool our_group;               /* stays in our process group; else has its own */
  int death_signal;             /* sent to it when this thread ends; 0: none */
  const char *oom_score_adj;    /* of proc(5); NULL: ours */
  bool background;              /* last for processors and disks, but never starved */
};

/* Starts it.  Returns when the program runs, or could not be run: -ENOENT,
 * -EACCES ...; see process_spawn_is_short for what may pass. */
int process_spawn (const struct process_spec *spec, struct process *process) WARN_UNUSED;

/* Does the -errno R mean that descriptors, processes or memory were short? */
bool process_spawn_is_short (int r);

#endif
