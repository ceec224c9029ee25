/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Locks of the kernel's, and no count of the daemon's own: what the daemon has given up it
 * knows nothing of, and the program that waits for it may be killed by anybody.  They are of a
 * process (not of a descriptor, as flock has them), so that all programs may have the
 * same descriptor, and F_GETLK tells whose one is. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <glib.h>

#include "deadline.h"
#include "libvirt-turn.h"

/* Nobody tells when a lock goes. */
#define LOOK_MS 10

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static GHashTable *files;       /* URI -> descriptor; protected by the lock */

static struct flock
byte_of (int turn, short type)
{
  return (struct flock) { .l_type = type, .l_whence = SEEK_SET,
                          .l_start = turn, .l_len = 1 };
}

/* --- the daemon ------------------------------------------------------------- */

int
libvirt_turn_file (const char *uri)
{
  gpointer value;
  int fd;

  pthread_mutex_lock (&lock);
  if (files == NULL)
    files = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  if (g_hash_table_lookup_extended (files, uri, NULL, &value))
    fd = GPOINTER_TO_INT (value);
  else {
    fd = memfd_create ("pullback-turns", MFD_CLOEXEC);
    if (fd < 0)
      fd = -errno;
    else
      g_hash_table_insert (files, g_strdup (uri), GINT_TO_POINTER (fd));
  }
  pthread_mutex_unlock (&lock);
  return fd;
}

bool
libvirt_turn_is_held (const char *uri, pid_t pid)
{
  int file = libvirt_turn_file (uri), i;

  for (i = 0; file >= 0 && i < LIBVIRT_TURNS; i++) {
    struct flock one = byte_of (i, F_WRLCK);

    if (fcntl (file, F_GETLK, &one) == 0 && one.l_type != F_UNLCK &&
        one.l_pid == pid)
      return true;
  }
  return false;
}

/* --- the program ------------------------------------------------------------- */

static int
take_any (int file, int n)
{
  int i;

  for (i = 0; i < n; i++) {
    struct flock one = byte_of (i, F_WRLCK);

    if (fcntl (file, F_SETLK, &one) == 0)
      return i;
  }
  return -EBUSY;
}

int
libvirt_turn_take (int file, bool proven, int wait_ms)
{
  int64_t until = now_ms () + wait_ms;
  int n = proven ? LIBVIRT_TURNS : LIBVIRT_TURNS_UNPROVEN, turn;

  for (;;) {
    turn = take_any (file, n);
    if (turn >= 0 || ms_left (until) == 0)
      return turn;
    g_usleep (LOOK_MS * 1000);
  }
}

void
libvirt_turn_return (int file, int turn)
{
  struct flock one = byte_of (turn, F_UNLCK);

  /* It cannot fail on what is locked. */
  (void) fcntl (file, F_SETLK, &one);
}
