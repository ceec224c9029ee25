/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages to stderr (the journal, under a service manager), one line each,
 * prefixed with the program's name.  Threads: any. */
#ifndef PULLBACK_LOG_H
#define PULLBACK_LOG_H

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Call once from main () before threads start.  PROGRAM is borrowed. */
void log_open (const char *program, enum log_level most);

/* From now on no message of this process, nor of those that it starts, waits for
 * whoever reads stderr: what does not fit into a pipe, a socket or a terminal is
 * dropped.  (A file on storage that hangs still makes its writer wait; so does a
 * pipe of another user that is full, but only those who write to it otherwise than
 * by log_message.) */
void log_never_wait (void);

void log_message (enum log_level level, const char *format, ...)
  __attribute__ ((format (printf, 2, 3)));

#define log_error(...) log_message (LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_message (LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_message (LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_message (LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
