/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a restore has in the QEMU of a virtual machine that has not run: its disks' nodes are taken
 * off their devices (qmp-hold.h) and exported by QEMU's NBD server, which listens on a socket of
 * ours that the gateway alone connects to.  Steps, as steps.h says: CONTEXT is the struct restore;
 * they do nothing for one that no QEMU has.  What is in a QEMU that has ended is gone: undos
 * succeed then. */
#ifndef PULLBACK_RESTORE_MACHINE_H
#define PULLBACK_RESTORE_MACHINE_H

#include "restore-model.h"

int restore_machine_hold (void *context, struct failure *why) WARN_UNUSED;
/* Also lets the session go: nothing of the restore is in QEMU any more.  Of a commit it fails, once,
 * where the guest has run without its disks. */
int restore_machine_give_back (void *context, struct failure *why);

int restore_machine_start_server (void *context, struct failure *why) WARN_UNUSED;
int restore_machine_stop_server (void *context, struct failure *why);

int restore_machine_export (void *context, struct failure *why) WARN_UNUSED;
int restore_machine_end_exports (void *context, struct failure *why);

/* Of a commit, after the gateway: QEMU writes what it holds back, and the exports and the server go.
 * Fails where the guest has run meanwhile. */
int restore_machine_finish (void *context, struct failure *why) WARN_UNUSED;

/* The last look of a commit: each image is still that of the node that was exported, this one still the
 * device's, and the guest has not run. */
int restore_machine_look (void *context, struct failure *why) WARN_UNUSED;

/* --- between the files of this ------------------------------------------------- */

/* Runs FUNCTION with the session and RESTORE.  -ESRCH: the QEMU that had its images has ended. */
int restore_machine_ask (struct restore *restore, bool keep,
                         int (*function) (struct qmp *qmp, struct restore *restore,
                                          struct failure *why),
                         struct failure *why) WARN_UNUSED;

/* Fails where its guest runs or has run, with what to do. */
int restore_machine_check_guest (struct qmp *qmp, const struct restore *restore,
                                 struct failure *why) WARN_UNUSED;

/* Fails where an export does not lead to its image's node any more. */
int restore_machine_check_exports (struct qmp *qmp, const struct restore *restore,
                                   struct failure *why) WARN_UNUSED;
/* The same of what holds the node of image I, if anything does. */
int restore_machine_check_hold (struct qmp *qmp, const struct restore *restore, guint i,
                                struct failure *why) WARN_UNUSED;

const struct restore_image *restore_machine_image (const struct restore *restore, guint i);

/* The ids of its exports; NULL ends them.  g_strfreev. */
char **restore_machine_exports (const struct restore *restore);

#endif
