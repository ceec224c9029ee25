/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A QMP peer that a thread of the test plays, one connection long.  Whatever goes
 * wrong ends the test. */
#ifndef PULLBACK_TEST_QMP_PEER_H
#define PULLBACK_TEST_QMP_PEER_H

#include <pthread.h>

#include "qmp.h"

#define GREETING \
  "{\"QMP\": {\"version\": {\"qemu\": {\"major\": 7}}, \"capabilities\": []}}\r\n"

struct peer {
  void (*play) (int fd);
  int listener;
  pthread_t thread;
};

/* Where it listens, in a folder of the test's own. */
extern char peer_path[64];

/* First of all; what it makes goes at exit. */
void make_peer_folder (void);

void start_peer (struct peer *peer, void (*play) (int fd));
void end_peer (struct peer *peer);
/* Started, and connected to. */
struct qmp *open_with (struct peer *peer, void (*play) (int fd));

/* For PLAY.  shake_hands uses up the ids 1 and 2. */
void say (int fd, const char *text);
/* Reads up to a newline. */
void hear (int fd);
void wait_for_hangup (int fd);
void shake_hands (int fd);
/* The next command is query-jobs, and of id ID. */
void tell_no_jobs (int fd, unsigned id);

#endif
