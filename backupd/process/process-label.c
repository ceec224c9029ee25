/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QEMU may connect to sockets, and use those that it is given, if their label is its own; ours
 * would be the daemon's.  That label is a line in two files of /proc, which is all that
 * getpidcon_raw and setsockcreatecon_raw of libselinux are: no reason to need that
 * library where there is no SELinux, or to look for it at run time where there is. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <glib.h>

#include "cleanup.h"
#include "log.h"
#include "process-label.h"

/* The same files have AppArmor's names where that is on. */
static bool
is_selinux (void)
{
  struct statfs st;

  return statfs ("/sys/fs/selinux", &st) == 0 && st.f_type == SELINUX_MAGIC;
}

char *
process_label_of (pid_t pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/attr/current", (int) pid);
  char *label = NULL;

  if (!is_selinux () || !g_file_get_contents (path, &label, NULL, NULL))
    return NULL;
  g_strchomp (label);
  if (*label == '\0')
    g_clear_pointer (&label, g_free);
  return label;
}

void
process_label_sockets (const char *label)
{
  CLEANUP_FD int fd = -1;
  size_t size = label == NULL ? 0 : strlen (label) + 1;

  if (label == NULL)
    return;
  fd = open ("/proc/thread-self/attr/sockcreate", O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write (fd, label, size) != (ssize_t) size)
    log_warning ("a socket for QEMU cannot have its label %s: %s", label,
                 g_strerror (errno));
}
