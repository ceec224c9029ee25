/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who a process is by now.  Threads: any. */
#ifndef PULLBACK_QMP_PEER_H
#define PULLBACK_QMP_PEER_H

#include <sys/types.h>

/* The user and group that process PID has now: QEMU may have given up its rights
 * (-runas) after it made its socket.  Both are left alone where it cannot be told. */
void qmp_peer_current_user (pid_t pid, uid_t *uid, gid_t *gid);

#endif
