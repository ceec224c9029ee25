/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The journal and the stream to it, by fakes of both. */
#include <config.h>

#undef NDEBUG
#include <assert.h>
#include <endian.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"

#define PLACE "test-log.journal"
/* For what must not wait. */
#define LIMIT_S 300

static int journal_fd;          /* what journald has */
static int stream_fd;           /* the other end of standard error */
static int own_stderr;

/* assert would write to the fake. */
#define CHECK(what) \
  do { \
    if (!(what)) { \
      dprintf (own_stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what); \
      abort (); \
    } \
  } while (0)

static void
replace_stderr (void)
{
  int pair[2];

  assert (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
  own_stderr = dup (STDERR_FILENO);
  stream_fd = pair[0];
  dup2 (pair[1], STDERR_FILENO);
  close (pair[1]);
}

static void
name_stream (unsigned long long more)
{
  struct stat st;
  char text[64];

  CHECK (fstat (STDERR_FILENO, &st) == 0);
  snprintf (text, sizeof text, "%llu:%llu", (unsigned long long) st.st_dev,
            (unsigned long long) st.st_ino + more);
  setenv ("JOURNAL_STREAM", text, 1);
}

static void
open_journal (void)
{
  struct sockaddr_un place = { .sun_family = AF_UNIX, .sun_path = PLACE };

  unlink (PLACE);
  journal_fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  CHECK (bind (journal_fd, (struct sockaddr *) &place, sizeof place) == 0);
}

/* --- what has come ----------------------------------------------------- */

static char entry[65536];
static size_t entry_length;

static bool
next_entry (void)
{
  ssize_t n = recv (journal_fd, entry, sizeof entry, MSG_DONTWAIT);

  entry_length = n < 0 ? 0 : (size_t) n;
  return n >= 0;
}

/* Is the field there once, with that value?  NULL: not at all? */
static bool
has (const char *name, const char *value)
{
  const char *at = entry, *end = entry + entry_length;
  unsigned n = 0, good = 0;

  while (at < end) {
    size_t name_length = strcspn (at, "=\n"), length;
    const char *data = at + name_length + 1;
    uint64_t number;

    if (data[-1] == '=')
      length = (size_t) ((const char *) memchr (data, '\n', (size_t)
                                                (end - data)) - data);
    else {
      memcpy (&number, data, sizeof number);
      length = le64toh (number);
      data += sizeof number;
    }
    if (name_length == strlen (name) && memcmp (at, name, name_length) == 0) {
      n++;
      good += value != NULL && length == strlen (value) &&
              memcmp (data, value, length) == 0;
    }
    at = data + length;
    CHECK (*at == '\n');
    at++;
  }
  return value == NULL ? n == 0 : n == 1 && good == 1;
}

/* What the stream has, at most that much. */
static size_t
read_stream (char *text, size_t size)
{
  ssize_t n = recv (stream_fd, text, size - 1, MSG_DONTWAIT);

  if (n < 0)
    n = 0;
  text[n] = '\0';
  return (size_t) n;
}

static bool
stream_has (const char *wanted)
{
  char text[4096];

  read_stream (text, sizeof text);
  if (strcmp (text, wanted) == 0)
    return true;
  dprintf (own_stderr, "the stream has \"%s\"\n", text);
  return false;
}

/* --- tests --------------------------------------------------------------- */

static void
test_without_journal (void)
{
  unsetenv ("JOURNAL_STREAM");
  log_open ("tester", LOG_LEVEL_INFO);
  log_to_journal (PLACE);
  CHECK (!log_has_fields ());
  log_warning ("%d", 1);
  CHECK (stream_has ("tester: warning: 1\n"));
  /* Of a parent whose standard error was another. */
  name_stream (1);
  log_open ("tester", LOG_LEVEL_INFO);
  log_to_journal (PLACE);
  CHECK (!log_has_fields ());
  log_info ("2");
  CHECK (stream_has ("tester: 2\n"));
}

/* A program of the daemon's, whose entries would not be of its unit. */
static void
test_priorities (void)
{
  name_stream (0);
  log_open ("tester", LOG_LEVEL_INFO);
  log_warning ("1");
  CHECK (stream_has ("<4>tester: warning: 1\n"));
}

static void *
say_elsewhere (void *unused)
{
  log_info ("another thread");
  return NULL;
}

static void
test_fields (void)
{
  pthread_t thread;

  log_to_journal (PLACE);
  CHECK (log_has_fields ());
  log_set_domain ("vm1");
  log_set_backup ("0123abcd");
  log_warning ("one line");
  CHECK (next_entry () && has ("MESSAGE", "one line") &&
         has ("PRIORITY", "4") && has ("SYSLOG_IDENTIFIER", "tester") &&
         has ("PULLBACK_DOMAIN", "vm1") && has ("PULLBACK_BACKUP", "0123abcd") &&
         has ("PULLBACK_DISK", NULL));
  log_disk_info ("vda", "first\nPRIORITY=0\nlast");
  CHECK (next_entry () && has ("MESSAGE", "first\nPRIORITY=0\nlast") &&
         has ("PRIORITY", "6") && has ("PULLBACK_DISK", "vda"));
  log_debug ("not asked for");
  CHECK (!next_entry ());
  CHECK (pthread_create (&thread, NULL, say_elsewhere, NULL) == 0);
  pthread_join (thread, NULL);
  CHECK (next_entry () && has ("MESSAGE", "another thread") &&
         has ("PULLBACK_DOMAIN", NULL) && has ("PULLBACK_BACKUP", NULL));
  log_set_backup (NULL);
  log_error ("%05000d", 1);
  CHECK (next_entry () && has ("PRIORITY", "3") &&
         has ("PULLBACK_BACKUP", NULL) && !has ("MESSAGE", NULL));
  CHECK (stream_has (""));
}

static void
test_no_room_for_field (void)
{
  char room[12];
  struct log_fields fields = { .bytes = room, .size = sizeof room };

  log_fields_add (&fields, "A", "b");
  log_fields_add (&fields, "B", "much too long for that");
  CHECK (fields.used == 4 && memcmp (room, "A=b\n", 4) == 0);
}

static unsigned
count_stream_lines (void)
{
  static char text[1024 * 1024];
  unsigned lines = 0;
  size_t i, n;

  while ((n = read_stream (text, sizeof text)) > 0)
    for (i = 0; i < n; i++)
      lines += text[i] == '\n';
  return lines;
}

/* journald hangs: what its socket has no room for goes to the stream, and what
 * that has none for is counted. */
static void
test_full (void)
{
  unsigned sent = 20000, arrived = 0;
  char text[200];

  for (unsigned i = 0; i < sent; i++)
    log_info ("message %u", i);
  while (next_entry ())
    arrived++;
  CHECK (arrived > 0);
  arrived += count_stream_lines ();
  CHECK (arrived < sent);
  log_info ("after it");
  snprintf (text, sizeof text, "%u messages are lost here: whoever reads the "
            "log did not take them", sent - arrived);
  CHECK (next_entry () && has ("MESSAGE", text) && has ("PRIORITY", "4") &&
         has ("PULLBACK_DOMAIN", NULL));
  CHECK (next_entry () && has ("MESSAGE", "after it"));
  log_info ("once only");
  CHECK (next_entry () && has ("MESSAGE", "once only"));
}

/* Nobody has the socket any more: systemd makes another. */
static void
test_gone (void)
{
  close (journal_fd);
  log_info ("1");
  CHECK (stream_has ("<6>tester: 1\n"));
  unlink (PLACE);
  log_info ("2");
  CHECK (stream_has ("<6>tester: 2\n"));
  open_journal ();
  log_info ("3");
  CHECK (next_entry () && has ("MESSAGE", "3"));
}

int
main (void)
{
  replace_stderr ();
  alarm (LIMIT_S);
  open_journal ();
  log_never_wait ();
  test_without_journal ();
  test_priorities ();
  test_fields ();
  test_no_room_for_field ();
  test_full ();
  test_gone ();
  unlink (PLACE);
  return 0;
}
