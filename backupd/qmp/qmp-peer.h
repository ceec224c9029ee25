/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who QEMU is by now.  Threads: that of the session; any where there is none. */
#ifndef PULLBACK_QMP_PEER_H
#define PULLBACK_QMP_PEER_H

#include <stdbool.h>
#include <sys/types.h>

#include "qmp.h"

/* The user and group that process PID has now: QEMU may have given up its rights
 * (-runas) after it made its socket.  Both are left alone where it cannot be told. */
void qmp_peer_current_user (pid_t pid, uid_t *uid, gid_t *gid);

/* QEMU's process identity, "PID-STARTTIME"; "" where unknown.  Free with g_free. */
char *qmp_boot_id (const struct qmp *qmp);
/* Does that process still run?  False of "". */
bool qmp_boot_is_alive (const char *boot_id);

/* query-uuid; "" where unknown. */
int qmp_uuid (struct qmp *qmp, char *uuid, size_t size, struct failure *why) WARN_UNUSED;

#endif
