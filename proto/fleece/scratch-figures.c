/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* This is called in the guest's write path: two or three additions that need no
 * order, no lock, no call of the kernel.  The file has its one block before the
 * sink maps it, so that no store to it can raise SIGBUS. */
#include <config.h>

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checked-math.h"
#include "counter-atomic.h"
#include "full-io.h"
#include "scratch-figures.h"
#include "scratch-ledger.h"

#define FIGURES_MAGIC "PULLBKSF"
#define FIGURES_VERSION 1u
#define FIGURES_SIZE 4096u
#define SHORTEST_NS 16000u

/* As it lies in the file, all little-endian. */
struct layout {
  char magic[8];
  uint32_t version;
  uint32_t features;
  uint64_t limit;
  uint64_t account;
  uint64_t room;
  _Atomic uint64_t exceeded;
  _Atomic uint64_t rests;
  uint64_t zeros;
  _Atomic uint64_t writes, used, longest_ns;
  _Atomic uint64_t waits[SCRATCH_FIGURES_WAITS];
};
_Static_assert (offsetof (struct layout, limit) == 16, "format");
_Static_assert (offsetof (struct layout, rests) == 48, "format");
_Static_assert (offsetof (struct layout, writes) == 64, "format");
_Static_assert (sizeof (struct layout) <= FIGURES_SIZE, "format");

struct scratch_figures {
  struct layout *layout;
  struct scratch_ledger *ledger;        /* NULL: no account */
};

static int
figures_path (const char *maps, char path[PATH_MAX])
{
  return snprintf (path, PATH_MAX, "%s/scratch-figures", maps) >= PATH_MAX
         ? -ENAMETOOLONG : 0;
}

int
scratch_figures_create (const char *maps, const struct scratch_terms *terms)
{
  char path[PATH_MAX], page[FIGURES_SIZE] = { 0 };
  struct layout *layout = (void *) page;
  CLEANUP_FD int fd = -1;
  int r = scratch_figures_remove (maps);

  if (r == 0)
    r = figures_path (maps, path);
  if (r < 0)
    return r;
  fd = open (path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0)
    return -errno;
  memcpy (layout->magic, FIGURES_MAGIC, sizeof layout->magic);
  layout->version = htole32 (FIGURES_VERSION);
  layout->limit = htole64 (terms->limit);
  layout->account = htole64 ((uint64_t) (terms->account + 1));
  layout->room = htole64 (terms->room);
  r = full_pwrite (fd, page, sizeof page, 0);
  /* Delayed allocation may still find no block; now is the time to know. */
  if (r == 0 && fdatasync (fd) < 0)
    r = -errno;
  if (r < 0)
    unlink (path);
  return r;
}

static int
map_figures (int fd, struct layout **layout)
{
  struct stat st;
  void *map;

  if (fstat (fd, &st) < 0)
    return -errno;
  if (!S_ISREG (st.st_mode) || st.st_size != FIGURES_SIZE)
    return -EINVAL;
  map = mmap (NULL, FIGURES_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (map == MAP_FAILED)
    return -errno;
  *layout = map;
  if (memcmp ((*layout)->magic, FIGURES_MAGIC, sizeof (*layout)->magic) != 0)
    return -EINVAL;
  return le32toh ((*layout)->version) != FIGURES_VERSION ||
         (*layout)->features != 0 ? -EPROTONOSUPPORT : 0;
}

static int
open_ledger (struct scratch_figures *figures, const char *maps)
{
  char folder[PATH_MAX];
  uint64_t account = le64toh (figures->layout->account);

  if (account == 0)
    return 0;
  if (account > SCRATCH_ACCOUNTS)
    return -EINVAL;
  if (snprintf (folder, sizeof folder, "%s/..", maps) >= PATH_MAX)
    return -ENAMETOOLONG;
  return scratch_ledger_open (folder, &figures->ledger);
}

int
scratch_figures_open (const char *maps, struct scratch_figures **result)
{
  struct scratch_figures *figures;
  CLEANUP_FD int fd = -1;
  char path[PATH_MAX];
  int r = figures_path (maps, path);

  if (r < 0)
    return r;
  fd = open (path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0)
    return -errno;
  figures = calloc (1, sizeof *figures);
  if (figures == NULL)
    return -ENOMEM;
  r = map_figures (fd, &figures->layout);
  if (r == 0)
    r = open_ledger (figures, maps);
  if (r < 0)
    scratch_figures_close (figures);
  else
    *result = figures;
  return r;
}

void
scratch_figures_close (struct scratch_figures *figures)
{
  if (figures == NULL)
    return;
  if (figures->layout != NULL)
    munmap (figures->layout, FIGURES_SIZE);
  scratch_ledger_close (figures->ledger);
  free (figures);
}

int
scratch_figures_remove (const char *maps)
{
  char path[PATH_MAX];
  int r = figures_path (maps, path);

  if (r < 0)
    return r;
  return unlink (path) < 0 && errno != ENOENT ? -errno : 0;
}

uint64_t
scratch_figures_bound (unsigned i)
{
  return i < SCRATCH_FIGURES_WAITS - 1 ? (uint64_t) SHORTEST_NS << i
                                       : UINT64_MAX;
}

static unsigned
word_of (uint64_t ns)
{
  unsigned i = 0;

  while (ns > scratch_figures_bound (i))
    i++;
  return i;
}

void
scratch_figures_note (struct scratch_figures *figures, uint64_t ns)
{
  if (figures == NULL)
    return;
  counter_add (&figures->layout->writes, 1);
  counter_add (&figures->layout->waits[word_of (ns)], 1);
  counter_raise (&figures->layout->longest_ns, ns);
}

static unsigned
account_of (const struct scratch_figures *figures)
{
  return (unsigned) le64toh (figures->layout->account) - 1;
}

static int
exceeds (struct scratch_figures *figures, enum scratch_limit which)
{
  counter_raise (&figures->layout->exceeded, which);
  return -EDQUOT;
}

/* Taken first and looked at then: of two that do so at once, the one that exceeds the
 * limit sees the other. */
int
scratch_figures_take (struct scratch_figures *figures, uint64_t bytes)
{
  uint64_t limit, used;

  if (figures == NULL)
    return 0;
  limit = le64toh (figures->layout->limit);
  used = counter_add_in_order (&figures->layout->used, bytes);
  if (limit != 0 && used > limit) {
    counter_lower_in_order (&figures->layout->used, bytes);
    return exceeds (figures, SCRATCH_LIMIT_BACKUP);
  }
  if (figures->ledger == NULL ||
      scratch_ledger_take (figures->ledger, account_of (figures), bytes) == 0)
    return 0;
  counter_lower_in_order (&figures->layout->used, bytes);
  return exceeds (figures, SCRATCH_LIMIT_HOST);
}

void
scratch_figures_resume (struct scratch_figures *figures, uint64_t bytes)
{
  counter_add_in_order (&figures->layout->used, bytes);
  if (figures->ledger != NULL)
    scratch_ledger_resume (figures->ledger, account_of (figures), bytes);
}

void
scratch_figures_give (struct scratch_figures *figures, uint64_t bytes)
{
  if (figures == NULL)
    return;
  counter_lower_in_order (&figures->layout->used, bytes);
  if (figures->ledger != NULL)
    scratch_ledger_give (figures->ledger, account_of (figures), bytes);
}

void
scratch_figures_rest (struct scratch_figures *figures)
{
  counter_store_in_order (&figures->layout->rests, 1);
}

void
scratch_figures_look (const struct scratch_figures *figures,
                      struct scratch_seen *seen)
{
  const struct layout *layout = figures->layout;
  const struct scratch_ledger *ledger = figures->ledger;

  seen->terms.limit = le64toh (layout->limit);
  seen->terms.account = (int) le64toh (layout->account) - 1;
  seen->terms.room = le64toh (layout->room);
  seen->exceeded = (enum scratch_limit) counter_load (&layout->exceeded);
  seen->rests = counter_load_in_order (&layout->rests) != 0;
  seen->host_used = ledger == NULL ? 0 : scratch_ledger_used (ledger);
  seen->host_limit = ledger == NULL ? 0 : scratch_ledger_limit (ledger);
  seen->writes = counter_load (&layout->writes);
  seen->used = counter_load (&layout->used);
  seen->longest_ns = counter_load (&layout->longest_ns);
  for (unsigned i = 0; i < SCRATCH_FIGURES_WAITS; i++)
    seen->waits[i] = counter_load (&layout->waits[i]);
}

uint64_t
scratch_figures_p99 (const struct scratch_seen *seen)
{
  uint64_t all = 0, up_to = 0;
  unsigned i;

  for (i = 0; i < SCRATCH_FIGURES_WAITS; i++)
    all += seen->waits[i];
  if (all == 0)
    return 0;
  for (i = 0; i < SCRATCH_FIGURES_WAITS - 1; i++) {
    up_to += seen->waits[i];
    /* Rounded up: of less than 100 it is the longest. */
    if (up_to >= all - all / 100)
      break;
  }
  return min_u64 (scratch_figures_bound (i), seen->longest_ns);
}
