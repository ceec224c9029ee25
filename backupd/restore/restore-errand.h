/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who waits for storage that hangs cannot be ended until it goes on, not even by SIGKILL.  So
 * whatever touches the images' storage is done for the daemon by a process of its own, one for
 * each such errand, that can be left behind.
 *
 * It is the daemon's own program, under another name.  It ends with the daemon, unless it
 * hangs.  One that was left behind may still do what it was told, so that of a restore's image
 * no errand begins before that of earlier ones, also of an earlier daemon with that state folder, is over.
 *
 * Threads: any. */
#ifndef PULLBACK_RESTORE_ERRAND_H
#define PULLBACK_RESTORE_ERRAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include "failure.h"

/* As many as one message may have. */
#define RESTORE_ERRAND_FDS_MAX 253

/* Descriptors that the process has: of the image, with its locks and for who writes, and of its
 * folder. */
enum { RESTORE_ERRAND_LOCK, RESTORE_ERRAND_IO, RESTORE_ERRAND_FOLDER, RESTORE_ERRAND_N };

/* OF_STATE, borrowed for the process's life, is what only daemons of one state folder have: errands of
 * others are neither ended nor waited for, and the images' locks keep them apart.  Once, before what
 * is below. */
void restore_errand_use (const char *of_state);

/* All borrowed. */
struct restore_errand {
  const char *verb;             /* what is to be done */
  const char *restore, *path;   /* for which restore, to which image */
  json_object *words;           /* what else it is told */
  int fds[RESTORE_ERRAND_N];    /* -1: none */
  bool gives;                   /* FDS are closed here, so that it has them alone */
  bool undoes;                  /* it gets some time also when the daemon is told to end */
};

struct restore_answer {
  json_object *words;           /* new */
  int fds[RESTORE_ERRAND_FDS_MAX];
  size_t n_fds;
};

/* --- in the daemon -------------------------------------------------------- */

/* Has it done, and waits for it as long as the storage takes.  ANSWER may be NULL.  What it fails
 * with, or -ETIMEDOUT: the daemon is to end, or the limit has passed, and -ECHILD: it was
 * killed; then nobody knows how much of it was done. */
int restore_errand_run (const struct restore_errand *errand, struct restore_answer *answer,
                        struct failure *why) WARN_UNUSED;

/* Is R one of these two? */
bool restore_errand_is_unknown (int r);

/* The calling thread's errands are given up at that time of now_ms (); INT64_MAX: never. */
void restore_errand_limit (int64_t deadline);

/* --- in the process ------------------------------------------------------------- */

/* Was this process started for an errand? */
bool restore_errand_is_one (char *const *argv);

/* Of that ARGV: VERB is borrowed from it; *WORDS new; FDS borrowed, for the process's life. */
int restore_errand_take (char *const *argv, const char **verb, json_object **words,
                         int fds[RESTORE_ERRAND_N]) WARN_UNUSED;

/* R: 0, or what WHY tells of, with WORDS besides. */
int restore_errand_answer (int r, const struct failure *why, json_object *words, const int *fds,
                           size_t n_fds) WARN_UNUSED;

#endif
