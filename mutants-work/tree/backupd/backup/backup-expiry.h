/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The time limits of a backup: TTL, and idle timeout with what counts as
 * activity (clients, by the file that the gateway touches, and keep-alive). */
#ifndef PULLBACK_BACKUP_EXPIRY_H
#define PULLBACK_BACKUP_EXPIRY_H

#include "backup-model.h"

/* The file that the gateway touches, before the gateway is started. */
int backup_expiry_create_file (struct backup *backup, struct failure *why) WARN_UNUSED;

/* The clocks run from here. */
void backup_expiry_start (struct backup *backup);

/* They go on: ready_ms is known, the file tells of the last client. */
void backup_expiry_resume (struct backup *backup);

/* Has a limit run out?  Sets backup->expiry.reason once it has. */
bool backup_expiry_look (struct backup *backup);

/* Adds "ttl-left" and "idle-left", seconds or null. */
void backup_expiry_info (const struct backup *backup, json_object *info);

#endif
