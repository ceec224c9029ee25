/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libsystemd's sd_journal_send waits for a journald that hangs, and here the
 * guest would wait with it: so the datagram is sent by ourselves, without waiting.
 * An unconnected socket, as journald may be started again.  */
#include <config.h>

#include <endian.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "log-journal.h"

/* Set before threads start. */
static int journal_fd = -1;
static struct sockaddr_un journal_place;

static void
put (struct log_fields *fields, const void *bytes, size_t length)
{
  memcpy (fields->bytes + fields->used, bytes, length);
  fields->used += length;
}

void
log_fields_add (struct log_fields *fields, const char *name, const char *value)
{
  size_t name_length = strlen (name), length = strlen (value);
  uint64_t number = htole64 (length);
  bool has_lines = strchr (value, '\n') != NULL;

  if (name_length + length + sizeof number + 2 > fields->size - fields->used)
    return;
  put (fields, name, name_length);
  put (fields, has_lines ? "\n" : "=", 1);
  if (has_lines)
    put (fields, &number, sizeof number);
  put (fields, value, length);
  put (fields, "\n", 1);
}

bool
log_journal_is_stderr (void)
{
  const char *stream = getenv ("JOURNAL_STREAM");
  unsigned long long device, inode;
  struct stat st;
  char end;

  return stream != NULL &&
         sscanf (stream, "%llu:%llu%c", &device, &inode, &end) == 2 &&
         fstat (STDERR_FILENO, &st) == 0 && st.st_dev == device &&
         st.st_ino == inode;
}

int
log_journal_open (const char *path)
{
  struct sockaddr_un place = { .sun_family = AF_UNIX };
  int fd;

  if (strlen (path) >= sizeof place.sun_path)
    return -ENAMETOOLONG;
  fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0)
    return -errno;
  strcpy (place.sun_path, path);
  journal_place = place;
  journal_fd = fd;
  return 0;
}

bool
log_journal_is_open (void)
{
  return journal_fd >= 0;
}

int
log_journal_send (const struct log_fields *fields)
{
  ssize_t n = sendto (journal_fd, fields->bytes, fields->used,
                      MSG_DONTWAIT | MSG_NOSIGNAL,
                      (const struct sockaddr *) &journal_place,
                      sizeof journal_place);

  return n < 0 ? -errno : 0;
}
