/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bucket is one word: the time at which all that was taken will have been
 * paid for (the "theoretical arrival time" of GCRA).  Who wants tokens moves it
 * on once it has passed, and tries again later where it has not.  So nobody's wait
 * is in any memory: whoever gives up, or is killed, leaves nothing behind, and
 * however many wait, the rate holds.
 *
 * Slots are one per guest, not per device: two guests may share a disk, and the
 * one that suffers more decides.  A cache line each, as one daemon's threads
 * write side by side. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdalign.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "checked-math.h"
#include "pace-atomic.h"
#include "pace-file.h"

#define MAGIC UINT64_C (0x0145434150424c50)     /* "PLBPACE", version 1 */
#define LINE 64

/* The last slot is of all who find no other. */
#define SHARED (PACE_SLOTS - 1)
#define SHARED_OWNER 2          /* others' are odd */
#define SHARED_HOLD_NS INT64_C (300000000)

struct slot {
  alignas (LINE) pace_word owner;       /* 0: free */
  pace_word said_ns;
  pace_word limit;
};

/* As it lies in the file.  All zeros but for the magic number is a new one. */
struct pace {
  pace_word magic;
  pace_word fixed;
  pace_word floor;
  pace_word slots;              /* the highest number of a slot ever taken, + 1 */
  alignas (LINE) pace_word arrived_ns;
  alignas (LINE) pace_word due_ns;
  pace_word counted;
  struct slot slot[PACE_SLOTS];
};
_Static_assert (offsetof (struct pace, arrived_ns) == 64, "format");
_Static_assert (offsetof (struct pace, due_ns) == 128, "format");
_Static_assert (offsetof (struct pace, slot) == 192, "format");
_Static_assert (sizeof (struct slot) == LINE, "format");
_Static_assert (sizeof (struct pace) <= 4096, "format");

int64_t
pace_now (void)
{
  struct timespec ts;

  clock_gettime (CLOCK_MONOTONIC, &ts);
  return (int64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* --- the file ------------------------------------------------------- */

static int
map_file (int fd, struct pace **pace)
{
  struct stat st;
  void *p;

  if (fstat (fd, &st) < 0)
    return -errno;
  if (!S_ISREG (st.st_mode) || st.st_size != sizeof (struct pace))
    return -EINVAL;
  p = mmap (NULL, sizeof (struct pace), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
            0);
  if (p == MAP_FAILED)
    return -errno;
  *pace = p;
  return 0;
}

int
pace_open (const char *path, struct pace **pace)
{
  CLEANUP_FD int fd = open (path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  struct pace *mapped;
  int r;

  if (fd < 0)
    return -errno;
  r = map_file (fd, &mapped);
  if (r < 0)
    return r;
  if (pace_word_load (&mapped->magic) != MAGIC) {
    pace_close (mapped);
    return -EINVAL;
  }
  *pace = mapped;
  return 0;
}

/* A block of its own at once: a store to a hole raises SIGBUS on a full disk. */
static int
create_file (const char *path, struct pace **pace)
{
  CLEANUP_FD int fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
                            0600);
  int r;

  if (fd < 0)
    return -errno;
  r = posix_fallocate (fd, 0, sizeof (struct pace));
  if (r == 0)
    r = map_file (fd, pace);
  if (r != 0)
    return r > 0 ? -r : r;
  pace_word_store (&(*pace)->magic, MAGIC);
  return 0;
}

int
pace_create (const char *path, struct pace **pace)
{
  int r = pace_open (path, pace);

  if (r == -EINVAL && unlink (path) < 0)
    return -errno;
  return r == -EINVAL || r == -ENOENT ? create_file (path, pace) : r;
}

void
pace_close (struct pace *pace)
{
  if (pace != NULL)
    munmap (pace, sizeof *pace);
}

/* --- what is allowed ------------------------------------------------ */

void
pace_set_fixed (struct pace *pace, uint64_t rate)
{
  pace_word_store (&pace->fixed, rate);
}

uint64_t
pace_fixed (const struct pace *pace)
{
  return pace_word_load (&pace->fixed);
}

void
pace_set_floor (struct pace *pace, uint64_t rate)
{
  pace_word_store (&pace->floor, rate);
}

uint64_t
pace_floor_rate (const struct pace *pace)
{
  uint64_t rate = pace_word_load (&pace->floor);

  return rate == 0 ? PACE_FLOOR_DEFAULT : rate;
}

/* Was it at most MOST before NOW?  Another processor may be a little ahead of
 * this one; far ahead is another boot's. */
static bool
is_fresh (uint64_t then, int64_t now, int64_t most)
{
  int64_t age = now - (int64_t) then;

  return then != 0 && age <= most && age >= -most;
}

void
pace_arrived (struct pace *pace, int64_t now)
{
  pace_word_store (&pace->arrived_ns, (uint64_t) now);
}

bool
pace_writes (const struct pace *pace, int64_t now)
{
  return is_fresh (pace_word_load (&pace->arrived_ns), now, PACE_HOLD_NS);
}

uint64_t
pace_limit (const struct pace *pace, int64_t now)
{
  uint64_t fixed = pace_fixed (pace), limit = PACE_UNLIMITED;
  uint64_t i, n = min_u64 (pace_word_load (&pace->slots), PACE_SLOTS);
  bool heard = false;

  for (i = 0; i < n; i++) {
    const struct slot *slot = &pace->slot[i];

    if (pace_word_load (&slot->owner) == 0 ||
        !is_fresh (pace_word_load (&slot->said_ns), now, PACE_STALE_NS))
      continue;
    heard = true;
    limit = min_u64 (limit, pace_word_load (&slot->limit));
  }
  if (limit == PACE_UNLIMITED && pace_writes (pace, now))
    limit = heard ? pace_floor_rate (pace) : PACE_FIXED_GATE;
  return fixed == 0 ? limit : min_u64 (fixed, limit);
}

/* --- taking --------------------------------------------------------- */

static uint64_t
nanoseconds (uint64_t bytes, uint64_t rate)
{
  return (uint64_t) ((double) bytes * 1e9 / (double) max_u64 (rate, 1));
}

static int64_t
due_at (uint64_t due, int64_t now)
{
  return due > (uint64_t) (now + PACE_AHEAD_NS) ? now : (int64_t) due;
}

int64_t
pace_due (const struct pace *pace, int64_t now)
{
  return due_at (pace_word_load (&pace->due_ns), now);
}

bool
pace_take (struct pace *pace, uint64_t bytes, uint64_t rate, int64_t now)
{
  uint64_t cost = min_u64 (nanoseconds (bytes, rate), PACE_AHEAD_NS);
  uint64_t burst = min_u64 (nanoseconds (PACE_BURST, rate), (uint64_t) now);
  uint64_t due = pace_word_load (&pace->due_ns), from;

  do {
    if (due_at (due, now) > now)
      return false;
    from = (uint64_t) due_at (due, now);
    /* What was not taken in time is lost, but for the burst. */
    if (from < (uint64_t) now - burst)
      from = (uint64_t) now - burst;
  } while (!pace_word_exchange (&pace->due_ns, &due, from + cost));
  return true;
}

void
pace_count (struct pace *pace, uint64_t bytes)
{
  pace_word_add (&pace->counted, bytes);
}

uint64_t
pace_counted (const struct pace *pace)
{
  return pace_word_load (&pace->counted);
}

/* --- slots ---------------------------------------------------------- */

static void
note_slots (struct pace *pace, uint64_t n)
{
  uint64_t seen = pace_word_load (&pace->slots);

  while (seen < n && !pace_word_exchange (&pace->slots, &seen, n))
    continue;
}

int
pace_slot_take (struct pace *pace, uint64_t owner, int64_t now)
{
  int i;

  for (i = 0; i < SHARED; i++) {
    struct slot *slot = &pace->slot[i];
    uint64_t seen = pace_word_load (&slot->owner);

    if (seen != 0 &&
        is_fresh (pace_word_load (&slot->said_ns), now, 10 * PACE_STALE_NS))
      continue;
    /* Until the first word it must not count as what it was. */
    if (pace_word_exchange (&slot->owner, &seen, owner)) {
      pace_word_store (&slot->limit, PACE_UNLIMITED);
      pace_word_store (&slot->said_ns, (uint64_t) now);
      note_slots (pace, (uint64_t) i + 1);
      return i;
    }
  }
  pace_word_store (&pace->slot[SHARED].owner, SHARED_OWNER);
  note_slots (pace, PACE_SLOTS);
  return SHARED;
}

/* The least that was said lately: a higher word counts once nobody has repeated
 * the lower one for a while. */
static void
say_shared (struct slot *slot, uint64_t limit, int64_t now)
{
  if (limit > pace_word_load (&slot->limit) &&
      is_fresh (pace_word_load (&slot->said_ns), now, SHARED_HOLD_NS))
    return;
  pace_word_store (&slot->limit, limit);
  pace_word_store (&slot->said_ns, (uint64_t) now);
}

int
pace_slot_say (struct pace *pace, int slot, uint64_t owner, uint64_t limit,
               int64_t now)
{
  if (slot == SHARED) {
    say_shared (&pace->slot[slot], limit, now);
    return 0;
  }
  if (pace_word_load (&pace->slot[slot].owner) != owner)
    return -ESTALE;
  pace_word_store (&pace->slot[slot].limit, limit);
  pace_word_store (&pace->slot[slot].said_ns, (uint64_t) now);
  return 0;
}

void
pace_slot_leave (struct pace *pace, int slot, uint64_t owner)
{
  (void) pace_word_exchange (&pace->slot[slot].owner, &owner, 0);
}
