/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Entries with fields for systemd's journal, by its native protocol.  Threads: any, after
 * log_journal_open. */
#ifndef PULLBACK_LOG_JOURNAL_H
#define PULLBACK_LOG_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "cleanup.h"

/* Fields of an entry, written into room of the caller's. */
struct log_fields {
  char *bytes;
  size_t used, size;
};

/* NAME is of capitals, digits and '_'; VALUE may have any bytes but 0.  A field that has no
 * room is left out. */
void log_fields_add (struct log_fields *fields, const char *name, const char *value);

/* Is standard error connected to the journal?  As systemd tells by JOURNAL_STREAM. */
bool log_journal_is_stderr (void);

/* Entries can be sent from now on.  PATH: journald's socket, borrowed.  Before threads start. */
int log_journal_open (const char *path) WARN_UNUSED;
bool log_journal_is_open (void);

/* -EAGAIN: it could be sent only by waiting.  Other errors: there is nobody, or it is too
 * long for a datagram. */
int log_journal_send (const struct log_fields *fields) WARN_UNUSED;

#endif
