/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mark: no-valgrind (what a forked child still holds is no leak) */
#include <config.h>

#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pace-file.h"

#define MIB (UINT64_C (1) << 20)
#define SECOND INT64_C (1000000000)
#define NOW (1000 * SECOND)

static const char path[] = "test-pace-file.pace";

static struct pace *
fresh (void)
{
  struct pace *pace = NULL;

  unlink (path);
  assert (pace_open (path, &pace) == -ENOENT && pace == NULL);
  assert (pace_create (path, &pace) == 0);
  return pace;
}

static void
test_file (void)
{
  struct pace *pace = fresh (), *other = NULL;
  struct stat st;
  int fd;

  assert (pace_floor_rate (pace) == PACE_FLOOR_DEFAULT && pace_fixed (pace) == 0);
  assert (pace_limit (pace, NOW) == PACE_UNLIMITED);
  pace_count (pace, 5);
  /* What is there stays. */
  assert (pace_create (path, &other) == 0 && pace_counted (other) == 5);
  pace_close (other);
  assert (stat (path, &st) == 0 && (st.st_mode & 0777) == 0600);
  pace_close (pace);
  /* What is none is refused, and made anew. */
  fd = open (path, O_WRONLY);
  assert (fd >= 0 && write (fd, "garbage!", 8) == 8);
  assert (pace_open (path, &other) == -EINVAL);
  assert (ftruncate (fd, 100) == 0 && close (fd) == 0);
  assert (pace_open (path, &other) == -EINVAL);
  assert (pace_create (path, &other) == 0 && pace_counted (other) == 0);
  pace_close (other);
  assert (pace_open ("/dev/null", &other) == -EINVAL);
}

static void
test_limits (void)
{
  struct pace *pace = fresh ();
  int slot, second;

  /* Nobody looks: the guest's writes alone. */
  pace_arrived (pace, NOW);
  assert (pace_limit (pace, NOW + PACE_HOLD_NS) == PACE_FIXED_GATE);
  assert (pace_limit (pace, NOW + PACE_HOLD_NS + 1) == PACE_UNLIMITED);
  /* As seen by a processor whose clock is a little behind. */
  assert (pace_limit (pace, NOW - 1000) == PACE_FIXED_GATE);
  /* Of another boot. */
  assert (pace_limit (pace, NOW - SECOND) == PACE_UNLIMITED);

  /* Somebody looks, but has not seen them yet. */
  slot = pace_slot_take (pace, 7, NOW);
  assert (slot == 0 && pace_limit (pace, NOW) == PACE_FLOOR_DEFAULT);
  pace_set_floor (pace, 3 * MIB);
  assert (pace_limit (pace, NOW) == 3 * MIB);
  assert (pace_slot_say (pace, slot, 7, 100 * MIB, NOW) == 0);
  assert (pace_limit (pace, NOW) == 100 * MIB);

  /* The one that suffers most. */
  second = pace_slot_take (pace, 8, NOW);
  assert (second == 1);
  assert (pace_slot_say (pace, second, 8, 50 * MIB, NOW) == 0);
  assert (pace_limit (pace, NOW) == 50 * MIB);
  pace_slot_leave (pace, second, 8);
  assert (pace_limit (pace, NOW) == 100 * MIB);
  pace_set_fixed (pace, 20 * MIB);
  assert (pace_limit (pace, NOW) == 20 * MIB);
  pace_set_fixed (pace, 0);

  /* A daemon that is gone, or waits for a QEMU that is mute. */
  assert (pace_limit (pace, NOW + PACE_STALE_NS) == 100 * MIB);
  assert (pace_limit (pace, NOW + PACE_STALE_NS + 1) == PACE_UNLIMITED);
  pace_arrived (pace, NOW + 2 * PACE_STALE_NS);
  assert (pace_limit (pace, NOW + 2 * PACE_STALE_NS) == PACE_FIXED_GATE);
  pace_close (pace);
}

static void
test_slots (void)
{
  struct pace *pace = fresh ();
  int64_t later = NOW + 100 * SECOND;
  uint64_t i;

  for (i = 0; i < PACE_SLOTS; i++)
    assert (pace_slot_take (pace, i + 1, NOW) == (int) i);
  assert (pace_slot_take (pace, 100, NOW) == -ENOSPC);
  pace_slot_leave (pace, 5, 99);        /* not its own */
  assert (pace_slot_take (pace, 100, NOW) == -ENOSPC);
  pace_slot_leave (pace, 5, 6);
  assert (pace_slot_take (pace, 100, NOW) == 5);
  /* Those of a daemon that died are free; who was only slow is told. */
  assert (pace_slot_say (pace, 1, 2, MIB, later) == 0);
  assert (pace_slot_take (pace, 200, later) == 0);
  assert (pace_slot_take (pace, 201, later) == 2);
  assert (pace_slot_say (pace, 0, 1, MIB, later) == -ESTALE);
  assert (pace_limit (pace, later) == MIB);
  pace_close (pace);
}

static void
test_bucket (void)
{
  struct pace *pace = fresh ();
  int64_t now = NOW, from = 0, last = 0;
  int i;

  /* The burst, then the rate, in order. */
  for (i = 0; i < 5; i++) {
    from = pace_reserve (pace, MIB / 4, MIB, now);
    assert (from >= last);
    last = from;
    assert ((from <= now) == (i <= 4));
  }
  for (i = 0; i < 8; i++)
    from = pace_reserve (pace, MIB / 4, MIB, now);
  assert (from >= now + 7 * SECOND / 4 && from <= now + 9 * SECOND / 4);
  /* What nobody took is not saved up. */
  now += 3600 * SECOND;
  for (i = 0; i < 9; i++)
    from = pace_reserve (pace, MIB / 4, MIB, now);
  assert (from >= now + 3 * SECOND / 4 && from <= now + 5 * SECOND / 4);
  /* Times of another boot, before and after. */
  assert (pace_reserve (pace, MIB, MIB, 100 * SECOND) <= 100 * SECOND);
  assert (pace_reserve (pace, MIB, MIB, NOW + 7200 * SECOND) <=
          NOW + 7200 * SECOND);
  /* Early after boot. */
  assert (pace_reserve (pace, MIB, 1, 5) <= 5);
  pace_close (pace);
}

/* Takes without an end, or N times, and says how much. */
static pid_t
start_taker (uint64_t rate, int64_t until, int *end)
{
  int ends[2];
  pid_t pid;

  assert (pipe (ends) == 0);
  pid = fork ();
  assert (pid >= 0);
  if (pid == 0) {
    struct pace *pace;
    uint64_t taken = 0;

    if (pace_open (path, &pace) < 0)
      _exit (1);
    /* A clock of its own, which steps to each token: no machine is too slow. */
    while (pace_reserve (pace, MIB / 4, rate, NOW) < until)
      taken += MIB / 4;
    if (write (ends[1], &taken, sizeof taken) != sizeof taken)
      _exit (1);
    _exit (0);
  }
  close (ends[1]);
  *end = ends[0];
  return pid;
}

/* Four processes together get what one would. */
static void
test_processes (void)
{
  struct pace *pace = fresh ();
  const uint64_t rate = 1024 * MIB;
  int64_t until = NOW + 50 * SECOND;
  uint64_t taken, sum = 0;
  int ends[4], i, status;
  pid_t pids[4];

  for (i = 0; i < 4; i++)
    pids[i] = start_taker (rate, until, &ends[i]);
  for (i = 0; i < 4; i++) {
    assert (read (ends[i], &taken, sizeof taken) == sizeof taken);
    sum += taken;
    assert (waitpid (pids[i], &status, 0) == pids[i] && status == 0);
    close (ends[i]);
  }
  /* The burst more, and each one's last. */
  if (sum < 50 * rate || sum > 50 * rate + PACE_BURST + MIB)
    fprintf (stderr, "%llu MiB\n", (unsigned long long) (sum / MIB));
  assert (sum >= 50 * rate && sum <= 50 * rate + PACE_BURST + MIB);
  pace_close (pace);
}

/* Killed wherever it was, it holds nothing. */
static void
test_killed (void)
{
  struct pace *pace = fresh ();
  int end, i;

  for (i = 0; i < 50; i++) {
    pid_t pid = start_taker (1, INT64_MAX, &end);
    int64_t now = NOW + 2 * PACE_AHEAD_NS;

    usleep (500);
    assert (kill (pid, SIGKILL) == 0 && waitpid (pid, NULL, 0) == pid);
    close (end);
    assert (pace_reserve (pace, MIB, 64 * MIB, now) <= now + PACE_AHEAD_NS);
    assert (pace_reserve (pace, MIB, 64 * MIB, 2 * now) <= 2 * now);
  }
  pace_close (pace);
}

int
main (void)
{
  test_file ();
  test_limits ();
  test_slots ();
  test_bucket ();
  test_processes ();
  test_killed ();
  unlink (path);
  return 0;
}
