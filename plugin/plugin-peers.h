/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The processes that connections come from.  What one has asked for that has ended goes on
 * here, and would go over what the next one is answered: so where an export is written back a connection begins
 * only when those of processes that have ended are closed, which nbdkit does after their
 * last request (rule R12).  Of a process that runs nobody waits.
 *
 * Threads: any. */
#ifndef PULLBACK_PLUGIN_PEERS_H
#define PULLBACK_PLUGIN_PEERS_H

#include <stdint.h>

#include "cleanup.h"

struct plugin_peer;

/* A connection of process PID (-1: not known) begins.  -ETIMEDOUT at DEADLINE_MS, -ENOMEM. */
int plugin_peers_join (int64_t pid, int64_t deadline_ms, struct plugin_peer **peer) WARN_UNUSED;

/* It has ended.  NULL is fine. */
void plugin_peers_leave (struct plugin_peer *peer);

#endif
