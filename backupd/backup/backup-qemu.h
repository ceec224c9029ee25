/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Is the QEMU that runs a backup still there?  Asked before every end, because the
 * sink may end only if QEMU has let go of it or has exited: guest writes wait for it. */
#ifndef PULLBACK_BACKUP_QEMU_H
#define PULLBACK_BACKUP_QEMU_H

#include "backup-model.h"
#include "patience.h"

enum backup_qemu {
  BACKUP_QEMU_ALIVE,            /* it answers */
  BACKUP_QEMU_MUTE,             /* it does not, but may run */
  BACKUP_QEMU_GONE              /* its process has exited, and nobody is connected
                                 * to the sink */
};

/* A QEMU that does not answer for this long is mute; one that ends may take as long
 * from the end of its monitor to that of its process. */
#define BACKUP_QEMU_MUTE_MS patience_ms (8000)

/* Waits up to TIMEOUT_MS for it to be alive or gone. */
enum backup_qemu backup_qemu_look (const struct backup *backup, int timeout_ms);

/* The same with some patience, for who is about to end the backup: mute QEMUs may
 * wait for a sink that died, so that first of all there is one. */
enum backup_qemu backup_qemu_ask (struct backup *backup);

/* Says that it is mute, and what OUTCOME that has ("its backup is kept").  -EBUSY. */
int backup_qemu_mute_failure (const struct backup *backup, const char *outcome, struct failure *why);

/* Is it who answers on QMP?  Not in doubt where that is the process that answered at
 * begin, or has one of our jobs: QEMU need not be who made its socket. */
bool backup_qemu_is (const struct backup *backup, struct qmp *qmp);

/* Removes of these EXPORTS, and then of these NODES (names), what QEMU has. */
int backup_qemu_remove (const struct backup *backup, GPtrArray *exports, GPtrArray *nodes,
                        struct failure *why) WARN_UNUSED;

#endif
