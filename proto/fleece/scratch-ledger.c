/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The file has all its blocks before anybody maps it, so that no store to it can
 * raise SIGBUS; zeros are closed accounts, so that it is whole as soon as it has
 * its length. */
#include <config.h>

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checked-math.h"
#include "counter-atomic.h"
#include "scratch-ledger.h"

#define LEDGER_MAGIC "PULLBKSL"
#define LEDGER_VERSION 1u
#define NAME_MAX_ 200

struct account {
  _Atomic uint64_t used;
  char name[248];
};

/* As it lies in the file, all little-endian. */
struct layout {
  char magic[8];
  uint32_t version;
  uint32_t features;
  _Atomic uint64_t limit;
  _Atomic uint64_t end;
  char zeros[4096 - 32];
  struct account accounts[SCRATCH_ACCOUNTS];
};
_Static_assert (offsetof (struct layout, limit) == 16, "format");
_Static_assert (offsetof (struct layout, accounts) == 4096, "format");
_Static_assert (sizeof (struct layout) == 266240, "format");

struct scratch_ledger {
  struct layout *layout;
};

static int
ledger_path (const char *folder, char path[PATH_MAX])
{
  return snprintf (path, PATH_MAX, "%s/.scratch-ledger", folder) >= PATH_MAX
         ? -ENAMETOOLONG : 0;
}

static int
map_ledger (int fd, struct layout **layout)
{
  struct stat st;
  void *map;

  if (fstat (fd, &st) < 0)
    return -errno;
  if (!S_ISREG (st.st_mode) || st.st_size != sizeof **layout)
    return -EINVAL;
  map = mmap (NULL, sizeof **layout, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
              0);
  if (map == MAP_FAILED)
    return -errno;
  *layout = map;
  return 0;
}

static int
check_layout (const struct layout *layout)
{
  if (memcmp (layout->magic, LEDGER_MAGIC, sizeof layout->magic) != 0 ||
      le64toh (layout->end) > SCRATCH_ACCOUNTS)
    return -EINVAL;
  return le32toh (layout->version) != LEDGER_VERSION || layout->features != 0
         ? -EPROTONOSUPPORT : 0;
}

int
scratch_ledger_open (const char *folder, struct scratch_ledger **result)
{
  struct scratch_ledger *ledger;
  CLEANUP_FD int fd = -1;
  char path[PATH_MAX];
  int r = ledger_path (folder, path);

  if (r < 0)
    return r;
  fd = open (path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0)
    return -errno;
  ledger = calloc (1, sizeof *ledger);
  if (ledger == NULL)
    return -ENOMEM;
  r = map_ledger (fd, &ledger->layout);
  if (r == 0)
    r = check_layout (ledger->layout);
  if (r < 0)
    scratch_ledger_close (ledger);
  else
    *result = ledger;
  return r;
}

void
scratch_ledger_close (struct scratch_ledger *ledger)
{
  if (ledger == NULL)
    return;
  if (ledger->layout != NULL)
    munmap (ledger->layout, sizeof *ledger->layout);
  free (ledger);
}

/* --- accounts ------------------------------------------------------- */

/* The file at PATH, locked; FLAGS may be O_CREAT.  Who waited for the lock may have
 * got a file that was removed meanwhile. */
static int
open_locked (const char *path, int flags)
{
  for (;;) {
    int fd = open (path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | flags,
                   0600);
    struct stat st;
    int r;

    if (fd < 0)
      return -errno;
    do
      r = flock (fd, LOCK_EX) < 0 || fstat (fd, &st) < 0 ? -errno : 0;
    while (r == -EINTR);
    if (r == 0 && st.st_nlink > 0)
      return fd;
    close (fd);
    if (r < 0)
      return r;
  }
}

/* A new file has no length yet. */
static int
prepare (int fd, const char *path)
{
  const off_t length = sizeof (struct layout);
  struct stat st;
  int r;

  if (fstat (fd, &st) < 0)
    return -errno;
  if (st.st_size != 0)
    return 0;
  do
    r = fallocate (fd, 0, 0, length) < 0 ? -errno : 0;
  while (r == -EINTR);
  if (r == -EOPNOTSUPP)
    r = ftruncate (fd, length) < 0 ? -errno : 0;
  if (r < 0)
    unlink (path);
  return r;
}

static unsigned
account_of (const struct layout *layout, const char *name)
{
  unsigned i, end = (unsigned) counter_load (&layout->end);

  for (i = 0; i < end; i++)
    if (strcmp (layout->accounts[i].name, name) == 0)
      return i;
  return SCRATCH_ACCOUNTS;
}

static uint64_t
used_by_all (const struct layout *layout)
{
  uint64_t sum = 0, end = counter_load_in_order (&layout->end);
  unsigned i;

  for (i = 0; i < end; i++)
    sum += counter_load_in_order (&layout->accounts[i].used);
  return sum;
}

static int
enter (struct layout *layout, const char *name, uint64_t limit)
{
  unsigned i, end;

  memcpy (layout->magic, LEDGER_MAGIC, sizeof layout->magic);
  layout->version = htole32 (LEDGER_VERSION);
  end = (unsigned) counter_load (&layout->end);
  i = account_of (layout, name);
  if (i == SCRATCH_ACCOUNTS)
    i = account_of (layout, "");
  if (i == SCRATCH_ACCOUNTS && end < SCRATCH_ACCOUNTS)
    i = end;
  if (i == SCRATCH_ACCOUNTS)
    return -EUSERS;
  counter_store_in_order (&layout->accounts[i].used, 0);
  counter_store_in_order (&layout->limit, limit);
  if (used_by_all (layout) >= limit)
    return -EDQUOT;
  strcpy (layout->accounts[i].name, name);
  if (i == end)
    counter_store_in_order (&layout->end, end + 1);
  return (int) i;
}

/* FD is the file at PATH, locked. */
static int
enter_file (int fd, const char *path, const char *name, uint64_t limit)
{
  struct layout *layout = NULL;
  int r = prepare (fd, path);

  if (r == 0)
    r = map_ledger (fd, &layout);
  if (r < 0)
    return r;
  if (layout->magic[0] != '\0')
    r = check_layout (layout);
  if (r == 0)
    r = enter (layout, name, limit);
  munmap (layout, sizeof *layout);
  return r;
}

int
scratch_ledger_enter (const char *folder, const char *name, uint64_t limit)
{
  char path[PATH_MAX];
  int r = ledger_path (folder, path), tries;

  if (r < 0)
    return r;
  if (name[0] == '\0' || strlen (name) > NAME_MAX_)
    return -ENAMETOOLONG;
  for (tries = 0; tries < 2; tries++) {
    CLEANUP_FD int fd = open_locked (path, O_CREAT);

    if (fd < 0)
      return fd;
    r = enter_file (fd, path, name, limit);
    /* Torn by a power cut: nobody counts in it. */
    if (r != -EINVAL || unlink (path) < 0)
      break;
  }
  return r;
}

/* Is no account left? */
static bool
leave (struct layout *layout, const char *name)
{
  unsigned i = account_of (layout, name), end;

  if (i < SCRATCH_ACCOUNTS) {
    layout->accounts[i].name[0] = '\0';
    counter_store_in_order (&layout->accounts[i].used, 0);
  }
  end = (unsigned) counter_load (&layout->end);
  for (i = 0; i < end; i++)
    if (layout->accounts[i].name[0] != '\0')
      return false;
  return true;
}

int
scratch_ledger_leave (const char *folder, const char *name)
{
  struct layout *layout = NULL;
  CLEANUP_FD int fd = -1;
  char path[PATH_MAX];
  int r = ledger_path (folder, path);

  if (r < 0)
    return r;
  fd = open_locked (path, 0);
  if (fd < 0)
    return fd == -ENOENT ? 0 : fd;
  r = map_ledger (fd, &layout);
  if (r == 0)
    r = check_layout (layout);
  if (r == -EINVAL || (r == 0 && leave (layout, name)))
    r = unlink (path) < 0 ? -errno : 0;
  if (layout != NULL)
    munmap (layout, sizeof *layout);
  return r;
}

/* --- counting ------------------------------------------------------- */

int
scratch_ledger_take (struct scratch_ledger *ledger, unsigned account,
                     uint64_t bytes)
{
  struct layout *layout = ledger->layout;

  counter_add_in_order (&layout->accounts[account].used, bytes);
  if (used_by_all (layout) <= counter_load (&layout->limit))
    return 0;
  scratch_ledger_give (ledger, account, bytes);
  return -EDQUOT;
}

void
scratch_ledger_resume (struct scratch_ledger *ledger, unsigned account,
                       uint64_t bytes)
{
  counter_add_in_order (&ledger->layout->accounts[account].used, bytes);
}

void
scratch_ledger_give (struct scratch_ledger *ledger, unsigned account,
                     uint64_t bytes)
{
  counter_lower_in_order (&ledger->layout->accounts[account].used, bytes);
}

uint64_t
scratch_ledger_used (const struct scratch_ledger *ledger)
{
  return used_by_all (ledger->layout);
}

uint64_t
scratch_ledger_limit (const struct scratch_ledger *ledger)
{
  return counter_load (&ledger->layout->limit);
}
