/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A process that we have started, or taken over, up to its end.
 *
 * Threads: any; of one process, one at a time. */
#ifndef PULLBACK_PROCESS_H
#define PULLBACK_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cleanup.h"

struct process {
  pid_t pid;                    /* 0: none, or reaped */
  int pidfd;                    /* -1 then */
};

/* How it ended. */
struct process_end {
  bool unknown;                 /* another process's child, or a debugger has it;
                                 * else: */
  bool by_signal;
  int number;                   /* the signal, or the exit status */
};

/* Waits for its end until DEADLINE (of now_ms; one that has passed: looks once),
 * then reaps it and closes the pidfd; one that is dead but kept by a debugger is let
 * go.  -ETIMEDOUT: it still runs.  END may be NULL. */
int process_wait (struct process *process, int64_t deadline, struct process_end *end) WARN_UNUSED;

/* Nobody waits for it any more: it is reaped when it has ended. */
void process_let_go (struct process *process);

/* It was stopped, by SIGSTOP or a debugger, and has not gone on. */
bool process_is_stopped (pid_t pid);

/* It has ended, whether the kernel says so or not: of one that a debugger holds, not
 * before that has looked.  What it had open is closed.  Also true of any other that
 * is to be reaped. */
bool process_is_dead (pid_t pid);

/* Reaps what was let go and has ended. */
void process_reap (void);

#endif
