/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is an event of the table, and what is none. */
#include <config.h>

#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control-events.h"
#include "log.h"

#define PLACE "test-control-events.journal"

static bool
is_known (const char *name, const char *text)
{
  json_object *data = json_tokener_parse (text);
  bool known = control_event_is_known (name, data);

  json_object_put (data);
  return known;
}

/* Events are entries with fields where standard error is the journal. */
static int
fake_journal (void)
{
  struct sockaddr_un place = { .sun_family = AF_UNIX, .sun_path = PLACE };
  int fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  struct stat st;
  char text[64];

  unlink (PLACE);
  assert (bind (fd, (struct sockaddr *) &place, sizeof place) == 0);
  assert (fstat (STDERR_FILENO, &st) == 0);
  snprintf (text, sizeof text, "%llu:%llu", (unsigned long long) st.st_dev,
            (unsigned long long) st.st_ino);
  setenv ("JOURNAL_STREAM", text, 1);
  log_open ("tester", LOG_LEVEL_INFO);
  log_to_journal (PLACE);
  return fd;
}

/* The entry of an event of TEXT is WANTED. */
static void
check_entry (int fd, const char *name, const char *text, const char *wanted)
{
  json_object *data = json_tokener_parse (text);
  char entry[65536];
  ssize_t n;

  control_event_log (name, data);
  json_object_put (data);
  n = recv (fd, entry, sizeof entry - 1, MSG_DONTWAIT);
  assert (n > 0);
  entry[n] = '\0';
  if (strcmp (entry, wanted) != 0)
    printf ("have:\n%s\nwant:\n%s\n", entry, wanted);
  assert (strcmp (entry, wanted) == 0);
}

static void
test_journal (void)
{
  int fd;

  control_event_log ("BACKUP_LOST", NULL);      /* nobody is there */
  fd = fake_journal ();
  log_set_domain ("vm1");
  log_set_backup ("0123abcd");
  check_entry (fd, "BACKUP_ENDED",
               "{\"outcome\": \"committed\", \"duration-ms\": 12, \"reason\": null,"
               " \"disks\": [{\"name\": \"vda\"}, {\"name\": \"vdb\"}],"
               " \"domain\": \"vm1\"}",
               "MESSAGE=the backup of vm1 has ended: committed\nPRIORITY=5\n"
               "SYSLOG_IDENTIFIER=tester\nPULLBACK_BACKUP=0123abcd\n"
               "MESSAGE_ID=45ea8623f266456bb88b4945713aecb7\n"
               "PULLBACK_EVENT=BACKUP_ENDED\nPULLBACK_OUTCOME=committed\n"
               "PULLBACK_DURATION_MS=12\nPULLBACK_DISK=vda\n"
               "PULLBACK_DISK=vdb\nPULLBACK_DOMAIN=vm1\n");
  assert (strcmp (log_subject ().domain, "vm1") == 0);
  log_set_domain (NULL);
  log_set_backup (NULL);
  check_entry (fd, "DOMAIN_REMOVED", "{\"domain\": \"vm2\"}",
               "MESSAGE=vm2 is removed\nPRIORITY=5\nSYSLOG_IDENTIFIER=tester\n"
               "MESSAGE_ID=9c7c6d716ab74454919c7939f0783207\n"
               "PULLBACK_EVENT=DOMAIN_REMOVED\nPULLBACK_DOMAIN=vm2\n");
  close (fd);
  unlink (PLACE);
}

/* The words in braces of a sentence are members. */
static bool
sentence_is_good (const struct control_event *event)
{
  const char *about = strncmp (event->name, "RESTORE_", 8) == 0 ? "restore"
                                                               : "domain";
  const char *at = event->sentence, *end;
  bool good = true;

  while (good && (at = strchr (at, '{')) != NULL) {
    char text[200];

    end = strchr (at, '}');
    snprintf (text, sizeof text, "{\"%s\": \"v\", \"%.*s\": \"x\"}",
              about, (int) (end - at - 1), at + 1);
    good = is_known (event->name, text);
    at = end;
  }
  return good;
}

int
main (void)
{
  const struct control_event *event, *other;

  for (event = control_events (); event->name != NULL; event++) {
    assert (control_event_find (event->name) == event);
    assert (strlen (event->message_id) == 32);
    assert (strspn (event->message_id, "0123456789abcdef") == 32);
    assert (sentence_is_good (event));
    for (other = control_events (); other < event; other++)
      assert (strcmp (event->name, other->name) != 0 &&
              strcmp (event->message_id, other->message_id) != 0);
  }
  assert (is_known ("BACKUP_BROKEN", "{\"domain\": \"v\", \"reason\": \"x\"}"));
  assert (is_known ("BACKUP_BROKEN", "{\"domain\": \"v\"}"));
  assert (!is_known ("BACKUP_BROKEN", "{\"reason\": \"x\"}"));
  assert (!is_known ("BACKUP_BROKEN", "{\"domain\": \"v\", \"why\": \"x\"}"));
  assert (!is_known ("BACKUP_BROKEN", "{\"domain\": \"v\", \"reaso\": \"x\"}"));
  assert (is_known ("RESTORE_READY", "{\"restore\": \"v\"}"));
  assert (!is_known ("RESTORE_READY", "{\"domain\": \"v\"}"));
  assert (!is_known ("BACKUP_LOST", "{\"domain\": \"v\"}"));
  /* Part of a longer member. */
  assert (!is_known ("BACKUP_ENDED", "{\"domain\": \"v\", \"bytes\": 1}"));
  assert (is_known ("BACKUP_ENDED", "{\"domain\": \"v\", \"disks\": []}"));
  test_journal ();
  return 0;
}
