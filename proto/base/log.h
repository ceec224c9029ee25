/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages to stderr, one line each, prefixed with the program's name; or, of a program that
 * asks for it and whose stderr is systemd's journal, entries with fields.  Threads: any. */
#ifndef PULLBACK_LOG_H
#define PULLBACK_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "log-journal.h"

enum log_level {
  LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_NOTICE, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG
};

/* Call once from main () before threads start.  PROGRAM is borrowed. */
void log_open (const char *program, enum log_level most);

/* From now on no message of this process, nor of those that it starts, waits for
 * whoever reads stderr: what does not fit into a pipe, a socket or a terminal is
 * dropped.  (A file on storage that hangs still makes its writer wait; so does a
 * pipe of another user that is full, but only those who write to it otherwise than
 * by log_message.)  How many were dropped is told by a line of its own when there is
 * room again. */
void log_never_wait (void);

/* From now on messages of this process are entries with fields, sent without waiting, if stderr
 * is systemd's journal; what its SOCKET (borrowed) does not take goes to stderr as before.
 * Others leave it, and have the priority in front of their lines.  Before threads start. */
#define LOG_JOURNAL_SOCKET "/run/systemd/journal/socket"
void log_to_journal (const char *socket);

void log_message (enum log_level level, const char *format, ...)
  __attribute__ ((format (printf, 2, 3)));
/* About DISK, which is a field of it. */
void log_disk_message (enum log_level level, const char *disk, const char *format, ...)
  __attribute__ ((format (printf, 3, 4)));

#define log_error(...) log_message (LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_message (LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_message (LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_message (LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_disk_warning(...) log_disk_message (LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_disk_info(...) log_disk_message (LOG_LEVEL_INFO, __VA_ARGS__)

/* --- whom messages are about ------------------------------------------ */

/* What the calling thread's messages have as fields; each thread starts with none. */
struct log_subject {
  char domain[72];
  char backup[16];              /* its tag */
};

/* TEXT is cut if it is too long for a name; NULL: none. */
void log_set_domain (const char *text);
void log_set_backup (const char *text);
struct log_subject log_subject (void);
void log_set_subject (const struct log_subject *subject);

/* --- entries with more fields ------------------------------------------- */

#define LOG_TEXT_SIZE 2000

struct log_entry {
  enum log_level level;
  char text[LOG_TEXT_SIZE];
  struct log_fields fields;
};

/* Do fields get anywhere? */
bool log_has_fields (void);

/* Starts ENTRY, with ROOM of SIZE bytes for its fields; log_fields_add takes more. */
void log_entry_start (struct log_entry *entry, char *room, size_t size, enum log_level level,
                      const char *text);
void log_entry_send (const struct log_entry *entry);

#endif
