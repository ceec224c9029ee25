/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The backups of a domain that have ended: STATE/DOMAIN/history, a JSON object per
 * line, the newest last.  Not synced: after a power cut the newest may be missing. */
#ifndef PULLBACK_DOMAIN_HISTORY_H
#define PULLBACK_DOMAIN_HISTORY_H

#include <stdint.h>

#include <json-c/json.h>

#include "cleanup.h"
#include "failure.h"

/* So many are kept, and fewer where their lines are long. */
#define DOMAIN_HISTORY_MOST 1000

/* What is kept of a backup, a new object with the members that backup-list shows.  INFO:
 * as backup_info had it last; NULL: it never was ready.  BEGUN: when, in µs since 1970; 0: as
 * INFO says.  OUTCOME: "expired: its TTL of 60 s ran out".  CLASS: of the failure that it did
 * not become ready by; NULL: none. */
json_object *domain_history_record (json_object *info, int64_t begun, const char *outcome,
                                    const char *class);

/* Appends RECORD (borrowed).  What cannot be written is logged, no more.  Threads: one per
 * PATH. */
void domain_history_add (const char *path, json_object *record);

/* Removes what a crash in domain_history_add left. */
void domain_history_tidy (const char *path);

/* *RECORDS: a new list, the newest first; no file: an empty one.  Lines that are no records are
 * left out.  Threads: any, beside who adds. */
int domain_history_read (const char *path, json_object **records, struct failure *why) WARN_UNUSED;

#endif
