/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who QEMU is by now.  Threads: that of the session; any where there is none. */
#ifndef PULLBACK_QMP_PEER_H
#define PULLBACK_QMP_PEER_H

#include <stdbool.h>
#include <sys/types.h>

#include "qmp.h"

/* QEMU's process as the kernel knows it, and the user and group that it has now: it
 * may have given up its rights (-runas) after it made its socket. */
int qmp_peer (const struct qmp *qmp, uid_t *uid, gid_t *gid, pid_t *pid) WARN_UNUSED;

/* The folder, of QEMU's user, where sockets must be that QEMU is to connect to, because its
 * guards (AppArmor, SELinux) let it reach no others; NULL: it goes where its user may.
 * Borrowed until the session is closed. */
const char *qmp_folder (const struct qmp *qmp);

/* QEMU's process identity, "PID-STARTTIME"; "" where unknown.  Free with g_free. */
char *qmp_boot_id (const struct qmp *qmp);
/* Does that process still run?  False of "". */
bool qmp_boot_is_alive (const char *boot_id);

/* query-uuid; "" where unknown. */
int qmp_uuid (struct qmp *qmp, char *uuid, size_t size, struct failure *why) WARN_UNUSED;

#endif
