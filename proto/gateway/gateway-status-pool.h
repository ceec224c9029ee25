/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The status connections to the upstream server, shared by all clients: a
 * server like nbdkit has threads and descriptors for each connection, so their
 * number must not be clients times contexts.  Each question takes one and gives
 * it back; who must wait is served in turn.  A few per export, so that one that
 * hangs does not stop the others.  Threads: any. */
#ifndef PULLBACK_GATEWAY_STATUS_POOL_H
#define PULLBACK_GATEWAY_STATUS_POOL_H

#include "gateway-upstream.h"

#define STATUS_POOL_MAX 256
/* To one export, as long as there are few in all. */
#define STATUS_POOL_EXPORT_MAX 4
#define STATUS_POOL_FEW 64

struct status_slot;

/* A client that may ask comes, or goes; when the last has gone, all are
 * closed. */
void gateway_status_pool_join (void);
void gateway_status_pool_leave (void);

/* Takes a connection to EXPORT at the server of SOCKET_PATH, which both outlive the
 * pool's clients.  Opens one if need be: errors as
 * gateway_upstream_open.  -EBUSY: none became free in two minutes. */
int gateway_status_pool_take (const char *socket_path, const char *export, struct status_slot **slot, struct failure *why) WARN_UNUSED;

/* The taker's, until given back. */
struct upstream *gateway_status_slot_upstream (struct status_slot *slot);

/* One that owes no reply may be used again; close it before if it does. */
void gateway_status_pool_give (struct status_slot *slot);

#endif
