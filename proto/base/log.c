/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A line is put together first and written at once, so that lines of several
 * threads, and of the programs that share stderr, do not mix.  Only the daemon sends
 * entries to the journal itself: those of its children would not be its unit's. */
#include <config.h>

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

/* Room for the fields of a message: its text, and names. */
#define FIELDS_SIZE (LOG_TEXT_SIZE + 1000)

static const char *const level_words[] = { "error: ", "warning: ", "", "",
                                           "debug: " };
/* As syslog(3) has them. */
static const char *const level_priorities[] = { "3", "4", "5", "6", "7" };

static const char *log_program = "pullback";
static enum log_level log_most = LOG_LEVEL_INFO;
/* stderr is the journal, which understands priorities.  Set before threads
 * start. */
static bool log_has_priorities;
/* stderr waits, and is asked before each line.  Set before threads start. */
static bool log_asks;
/* From the question to the write: another thread may take the last place. */
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t lost_lock = PTHREAD_MUTEX_INITIALIZER; /* protects: */
static unsigned lost;           /* messages that nobody has been told of */
static _Thread_local struct log_subject subject;

void
log_open (const char *program, enum log_level most)
{
  log_program = program;
  log_most = most;
  log_has_priorities = log_journal_is_stderr ();
}

void
log_to_journal (const char *socket)
{
  /* Without, there still are the lines. */
  if (log_journal_is_stderr () && log_journal_open (socket) < 0)
    log_warning ("the journal gets lines without fields");
}

bool
log_has_fields (void)
{
  return log_journal_is_open ();
}

/* O_NONBLOCK belongs to the open file, which others share with us, our user's
 * shell for one.  A pipe or a terminal can be opened anew, unless it is another
 * user's; a socket cannot, and is shared by nobody but the programs of one
 * service. */
void
log_never_wait (void)
{
  int flags = fcntl (STDERR_FILENO, F_GETFL), fd;
  struct stat st;

  if (flags < 0 || fstat (STDERR_FILENO, &st) < 0)
    return;
  if (S_ISSOCK (st.st_mode))
    (void) fcntl (STDERR_FILENO, F_SETFL, flags | O_NONBLOCK);
  if (!S_ISFIFO (st.st_mode) && !S_ISCHR (st.st_mode))
    return;
  fd = open ("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  log_asks = fd < 0;
  if (fd < 0)
    return;
  (void) dup3 (fd, STDERR_FILENO, 0);
  close (fd);
}

/* A pipe that has a place takes a line of less than PIPE_BUF at once. */
static bool
has_place (void)
{
  struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };

  return poll (&p, 1, 0) > 0 && (p.revents & POLLOUT) != 0;
}

/* False: it did not get out. */
static bool
write_line (enum log_level level, const char *text)
{
  char line[LOG_TEXT_SIZE + 100];
  ssize_t n = -1;
  int length = snprintf (line, sizeof line, "%s%s%s%s: %s%s\n",
                         log_has_priorities ? "<" : "",
                         log_has_priorities ? level_priorities[level] : "",
                         log_has_priorities ? ">" : "", log_program,
                         level_words[level], text);

  if (log_asks)
    pthread_mutex_lock (&log_lock);
  if (!log_asks || has_place ())
    n = write (STDERR_FILENO, line, (size_t) length);
  if (log_asks)
    pthread_mutex_unlock (&log_lock);
  return n == length;
}

static bool
emit (const struct log_entry *entry)
{
  return (log_journal_is_open () && log_journal_send (&entry->fields) == 0) ||
         write_line (entry->level, entry->text);
}

/* --- what was lost --------------------------------------------------- */

static unsigned
take_lost (void)
{
  unsigned n;

  pthread_mutex_lock (&lost_lock);
  n = lost;
  lost = 0;
  pthread_mutex_unlock (&lost_lock);
  return n;
}

static void
add_lost (unsigned n)
{
  pthread_mutex_lock (&lost_lock);
  lost += n;
  pthread_mutex_unlock (&lost_lock);
}

static void
start (struct log_entry *entry, char *room, size_t size, enum log_level level,
       const char *text)
{
  size_t length = strnlen (text, sizeof entry->text - 1);

  entry->level = level;
  memcpy (entry->text, text, length);
  entry->text[length] = '\0';
  entry->fields = (struct log_fields) { .bytes = room, .size = size };
  log_fields_add (&entry->fields, "MESSAGE", entry->text);
  log_fields_add (&entry->fields, "PRIORITY", level_priorities[level]);
  log_fields_add (&entry->fields, "SYSLOG_IDENTIFIER", log_program);
}

static void
tell_lost (void)
{
  unsigned n = take_lost ();
  struct log_entry entry;
  char room[FIELDS_SIZE], text[100];

  if (n == 0)
    return;
  snprintf (text, sizeof text, "%u messages are lost here: whoever reads the "
            "log did not take them", n);
  start (&entry, room, sizeof room, LOG_LEVEL_WARNING, text);
  if (!emit (&entry))
    add_lost (n);
}

/* --- messages ------------------------------------------------------------ */

void
log_entry_start (struct log_entry *entry, char *room, size_t size,
                 enum log_level level, const char *text)
{
  start (entry, room, size, level, text);
  if (subject.domain[0] != '\0')
    log_fields_add (&entry->fields, "PULLBACK_DOMAIN", subject.domain);
  if (subject.backup[0] != '\0')
    log_fields_add (&entry->fields, "PULLBACK_BACKUP", subject.backup);
}

void
log_entry_send (const struct log_entry *entry)
{
  tell_lost ();
  if (!emit (entry))
    add_lost (1);
}

__attribute__ ((format (printf, 3, 0))) static void
send_message (enum log_level level, const char *disk, const char *format,
              va_list args)
{
  char room[FIELDS_SIZE], text[LOG_TEXT_SIZE];
  struct log_entry entry;

  vsnprintf (text, sizeof text, format, args);
  log_entry_start (&entry, room, sizeof room, level, text);
  if (disk != NULL)
    log_fields_add (&entry.fields, "PULLBACK_DISK", disk);
  log_entry_send (&entry);
}

void
log_message (enum log_level level, const char *format, ...)
{
  va_list args;

  if (level > log_most)
    return;
  va_start (args, format);
  send_message (level, NULL, format, args);
  va_end (args);
}

void
log_disk_message (enum log_level level, const char *disk, const char *format,
                  ...)
{
  va_list args;

  if (level > log_most)
    return;
  va_start (args, format);
  send_message (level, disk, format, args);
  va_end (args);
}

/* --- whom they are about --------------------------------------------- */

static void
set_text (char *place, size_t size, const char *text)
{
  snprintf (place, size, "%s", text == NULL ? "" : text);
}

void
log_set_domain (const char *text)
{
  set_text (subject.domain, sizeof subject.domain, text);
}

void
log_set_backup (const char *text)
{
  set_text (subject.backup, sizeof subject.backup, text);
}

struct log_subject
log_subject (void)
{
  return subject;
}

void
log_set_subject (const struct log_subject *other)
{
  subject = *other;
}
