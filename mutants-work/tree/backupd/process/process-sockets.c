/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* By /proc, where each process shows the table of its own network namespace: sock_diag
 * would have to be asked from inside of it. */
#include <config.h>

#include <limits.h>
#include <linux/net.h>
#include <stdio.h>
#include <string.h>

#include <glib.h>

#include "process-sockets.h"

/* The kernel's __SO_ACCEPTCON. */
#define LISTENS 0x10000

struct entry {
  unsigned flags, state;
  unsigned long inode;
  const char *path;
};

/* The columns are Num RefCount Protocol Flags Type St Inode Path. */
static bool
parse (const char *line, struct entry *entry)
{
  int path = 0;

  if (sscanf (line, "%*s %*s %*s %x %*s %x %lu %n", &entry->flags,
              &entry->state, &entry->inode, &path) != 3 || path == 0)
    return false;
  entry->path = line + path;
  return true;
}

/* The sockets of TABLE at PATH that are as WANTED. */
static unsigned
count (const char *table, const char *path,
       bool (*wanted) (const struct entry *entry))
{
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  struct entry entry;
  unsigned n = 0;

  if (!g_file_get_contents (table, &text, NULL, NULL))
    return UINT_MAX;
  lines = g_strsplit (text, "\n", -1);
  for (unsigned i = 0; lines[i] != NULL; i++)
    if (parse (lines[i], &entry) && strcmp (entry.path, path) == 0 &&
        wanted (&entry))
      n++;
  return n;
}

static bool
is_connected (const struct entry *entry)
{
  return entry->state == SS_CONNECTED && entry->inode != 0;
}

static bool
is_listener (const struct entry *entry)
{
  return (entry->flags & LISTENS) != 0;
}

unsigned
process_sockets_connected (const char *path)
{
  return count ("/proc/net/unix", path, is_connected);
}

bool
process_sockets_listens (pid_t pid, const char *path)
{
  g_autofree char *table = g_strdup_printf ("/proc/%d/net/unix", (int) pid);
  unsigned n = count (table, path, is_listener);

  return n > 0 && n != UINT_MAX;
}
