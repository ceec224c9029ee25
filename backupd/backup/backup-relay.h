/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The step "export": disks that are read through QEMU (relay). */
#ifndef PULLBACK_BACKUP_RELAY_H
#define PULLBACK_BACKUP_RELAY_H

#include "backup-plan.h"

int backup_export (void *context, struct failure *why) WARN_UNUSED;
int backup_undo_export (void *context, struct failure *why) WARN_UNUSED;

#endif
