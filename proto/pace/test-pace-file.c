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
  assert (pace_slot_take (pace, 100, NOW) == PACE_SLOTS - 1);
  pace_slot_leave (pace, 5, 99);        /* not its own */
  assert (pace_slot_take (pace, 100, NOW) == PACE_SLOTS - 1);
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

/* Who finds no slot shares the last: the one that suffers most still counts. */
static void
test_shared_slot (void)
{
  struct pace *pace = fresh ();
  int64_t now = NOW, later = NOW + 500000000;
  uint64_t i;

  for (i = 0; i < PACE_SLOTS + 5; i++) {
    int slot = pace_slot_take (pace, i + 1, now);

    assert (slot == (int) (i < PACE_SLOTS ? i : PACE_SLOTS - 1));
    assert (pace_slot_say (pace, slot, i + 1, i == PACE_SLOTS + 2
                           ? 20 * MIB : PACE_UNLIMITED, now) == 0);
  }
  assert (pace_limit (pace, now) == 20 * MIB);
  /* One that leaves does not speak for the others. */
  pace_slot_leave (pace, PACE_SLOTS - 1, PACE_SLOTS + 1);
  assert (pace_limit (pace, now) == 20 * MIB);
  assert (pace_slot_say (pace, PACE_SLOTS - 1, 70, 10 * MIB, now) == 0);
  assert (pace_limit (pace, now) == 10 * MIB);
  assert (pace_slot_say (pace, PACE_SLOTS - 1, 71, 30 * MIB, later) == 0);
  assert (pace_limit (pace, later) == 30 * MIB);
  pace_close (pace);
}

static void
test_bucket (void)
{
  struct pace *pace = fresh ();
  int64_t now = NOW;
  int i;

  /* The burst, then the rate. */
  for (i = 0; i < 5; i++)
    assert (pace_take (pace, MIB / 4, MIB, now));
  for (i = 0; i < 8; i++) {
    assert (!pace_take (pace, MIB / 4, MIB, now));
    assert (pace_due (pace, now) == now + SECOND / 4);
    now += SECOND / 4;
    assert (pace_take (pace, MIB / 4, MIB, now));
  }
  /* What nobody took is not saved up. */
  now += 3600 * SECOND;
  for (i = 0; i < 9; i++)
    assert (pace_take (pace, MIB / 4, MIB, now) == (i < 5));
  /* Times of another boot, before and after. */
  assert (pace_take (pace, MIB, MIB, 100 * SECOND));
  assert (pace_take (pace, MIB, MIB, NOW + 7200 * SECOND));
  /* Early after boot. */
  assert (pace_take (pace, MIB, 1, 5));
  pace_close (pace);
}

/* However many wait, none of them has anything that stays when it leaves, and
 * their number does not let any of them in. */
static void
test_waiters (void)
{
  struct pace *pace = fresh ();
  int64_t now = NOW;
  uint64_t taken = 0;
  int i, n;

  for (i = 0; i < 90; i++, now += SECOND)
    for (n = 0; n < 1000; n++)
      taken += pace_take (pace, MIB / 4, MIB, now) ? MIB / 4 : 0;
  assert (taken >= 89 * MIB && taken <= 91 * MIB + MIB / 4);
  assert (pace_due (pace, now) <= now);
  /* One piece is all that lies ahead, at whatever rate it was taken. */
  assert (pace_take (pace, MIB, 1, now) && !pace_take (pace, MIB, 1, now));
  assert (pace_due (pace, now) <= now + PACE_AHEAD_NS);
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
    int64_t now;

    if (pace_open (path, &pace) < 0)
      _exit (1);
    /* A clock of its own, which steps to each token: no machine is too slow. */
    for (now = NOW; now < until; now = pace_due (pace, now))
      if (pace_take (pace, MIB / 4, rate, now))
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
    assert (pace_due (pace, now) <= now + PACE_AHEAD_NS);
    assert (pace_take (pace, MIB, 64 * MIB, pace_due (pace, now)));
  }
  pace_close (pace);
}

int
main (void)
{
  test_file ();
  test_limits ();
  test_slots ();
  test_shared_slot ();
  test_bucket ();
  test_waiters ();
  test_processes ();
  test_killed ();
  unlink (path);
  return 0;
}
