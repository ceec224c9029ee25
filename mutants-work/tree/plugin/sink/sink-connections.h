/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The connections of this process to its NBD clients, which a plugin is not
 * told of. */
#ifndef PULLBACK_SINK_CONNECTIONS_H
#define PULLBACK_SINK_CONNECTIONS_H

/* Ends all connections that were accepted from our listening sockets; theirs
 * ends see them closed.  Returns how many, or -errno. */
int sink_connections_cut (void);

#endif
