/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the daemon settles for its own process: descriptors, memory, and who dies
 * first where memory runs out.  And where our programs find each other. */
#ifndef PULLBACK_PROCESS_SELF_H
#define PULLBACK_PROCESS_SELF_H

#include "failure.h"

/* oom_score_adj of proc(5).  What a backup needs goes before any QEMU that is at
 * 0, as guests are unless somebody changed it, whatever its size: first what
 * costs a client a reconnect, then what guest writes wait for. */
#define PROCESS_OOM_VIEW "1000"
#define PROCESS_OOM_GATEWAY "1000"
#define PROCESS_OOM_SINK "990"
#define PROCESS_OOM_DAEMON "990"

/* Once, from main, before threads start and anything is opened: fills 0, 1 and 2
 * where they are closed, takes as many descriptors as the hard limit allows,
 * keeps memory in few arenas, and sets PROCESS_OOM_DAEMON, unless somebody chose
 * a negative value. */
int process_self_prepare (struct failure *why) WARN_UNUSED;

/* Gives memory that is free back to the kernel.  Threads: any. */
void process_self_trim (void);

/* The path of one of our own programs: beside the one that runs, in FOLDER
 * (NULL: none), else by PATH; NULL if there is none.  Free with g_free. */
char *process_self_program (const char *name, const char *folder);

#endif
