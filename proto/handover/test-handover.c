/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "full-io.h"
#include "handover-memory.h"
#include "handover-offset.h"

static void
check_offsets (void)
{
  const uint32_t slots[] = { 0, HANDOVER_UNIT,
                             HANDOVER_BYTES - HANDOVER_UNIT };
  const uint64_t offsets[] = { 0, 1, 4096, HANDOVER_DISK_MAX };
  size_t i, j;

  for (i = 0; i < 3; i++)
    for (j = 0; j < 4; j++) {
      uint64_t joined = handover_offset_join (slots[i], offsets[j]), offset;
      uint32_t slot;

      assert (joined <= HANDOVER_EXPORT_SIZE);
      handover_offset_split (joined, &slot, &offset);
      assert (slot == slots[i] && offset == offsets[j]);
    }
  /* All of the largest disk, into the last slot. */
  assert (handover_offset_join (HANDOVER_BYTES - HANDOVER_UNIT, 0) +
          HANDOVER_DISK_MAX <= HANDOVER_EXPORT_SIZE);
}

/* What the other side of a socket answers. */
struct giver {
  int socket;
  struct handover_memory memory;
  bool garbled, nothing;        /* no such answer, none at all */
};

static void *
give (void *argument)
{
  struct giver *giver = argument;
  uint64_t number = 0, garbage[3] = { 1, HANDOVER_BYTES, 3 };

  assert (handover_memory_asked (giver->socket, &number) == 0 && number == 42);
  if (giver->garbled)
    assert (full_send (giver->socket, garbage, sizeof garbage) == 0);
  else if (!giver->nothing)
    assert (handover_memory_give (giver->socket, &giver->memory, 12345) == 0);
  close (giver->socket);
  return NULL;
}

/* As handover_memory_take where GIVER answers. */
static int
take_from (struct giver *giver, struct handover_memory *memory,
           uint64_t *disk_size)
{
  pthread_t thread;
  int pair[2], r;

  assert (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
  giver->socket = pair[1];
  assert (pthread_create (&thread, NULL, give, giver) == 0);
  r = handover_memory_take (pair[0], 42, memory, disk_size);
  pthread_join (thread, NULL);
  close (pair[0]);
  return r;
}

static void
check_memory (void)
{
  struct handover_memory seen = { NULL, -1 };
  struct giver giver = { .socket = -1 };
  uint64_t disk_size = 0;
  void *more;

  assert (handover_memory_open (&giver.memory) == 0);
  assert (handover_memory_back (&giver.memory, 0, HANDOVER_BYTES) == 0);
  assert (take_from (&giver, &seen, &disk_size) == 0 && disk_size == 12345);
  memset (giver.memory.start, 'x', HANDOVER_BYTES);
  assert (seen.start[0] == 'x' && seen.start[HANDOVER_BYTES - 1] == 'x');
  /* It stays as large as it is, and only its maker writes. */
  assert (ftruncate (giver.memory.fd, 0) < 0 && errno == EPERM);
  assert (ftruncate (giver.memory.fd, HANDOVER_BYTES + 1) < 0);
  more = mmap (NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED,
               giver.memory.fd, 0);
  assert (more == MAP_FAILED && errno == EPERM);
  /* The one who stays keeps it. */
  handover_memory_close (&giver.memory);
  assert (giver.memory.start == NULL && seen.start[4096] == 'x');
  handover_memory_close (&seen);
  handover_memory_close (&seen);
}

static int
memory_of (off_t bytes, int seals)
{
  int fd = memfd_create ("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

  assert (fd >= 0 && ftruncate (fd, bytes) == 0);
  assert (fcntl (fd, F_ADD_SEALS, seals) == 0);
  return fd;
}

static void
check_refusal (struct giver giver, int error)
{
  struct handover_memory seen = { NULL, -1 };
  uint64_t disk_size = 0;

  assert (take_from (&giver, &seen, &disk_size) == error);
  assert (seen.start == NULL);
}

static void
check_refusals (void)
{
  const int wrong[] = { memory_of (HANDOVER_BYTES, F_SEAL_GROW),
                        memory_of (HANDOVER_BYTES / 2, F_SEAL_SHRINK),
                        open ("/dev/zero", O_RDONLY | O_CLOEXEC) };
  size_t i;

  for (i = 0; i < 3; i++) {
    check_refusal ((struct giver) { .memory = { NULL, wrong[i] } }, -EBADMSG);
    close (wrong[i]);
  }
  check_refusal ((struct giver) { .garbled = true }, -EBADMSG);
  check_refusal ((struct giver) { .nothing = true }, -ECONNRESET);
}

int
main (void)
{
  check_offsets ();
  check_memory ();
  check_refusals ();
  return 0;
}
