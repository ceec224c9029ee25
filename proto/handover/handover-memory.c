/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A descriptor cannot go over the NBD connection, as nbdkit does not let go of its
 * socket, so it goes over another one, once per connection.  All that is there to
 * trust in it is looked at: seals and size, which cannot change any more. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "full-io.h"
#include "handover-memory.h"
#include "handover-offset.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

#define ANSWER_MAGIC UINT64_C (0x70756c6c6d656d31)      /* "pullmem1" */

/* Between processes of one host. */
struct answer {
  uint64_t magic, bytes, disk_size;
};

int
handover_memory_open (struct handover_memory *memory)
{
  CLEANUP_FD int fd = memfd_create ("pullback",
                                    MFD_CLOEXEC | MFD_ALLOW_SEALING);
  void *start;

  if (fd < 0 || ftruncate (fd, HANDOVER_BYTES) < 0)
    return -errno;
  start = mmap (NULL, HANDOVER_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                0);
  if (start == MAP_FAILED)
    return -errno;
  /* After that mapping nobody gets a writable one. */
  if (fcntl (fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW |
             F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) < 0) {
    int error = errno;

    munmap (start, HANDOVER_BYTES);
    return -error;
  }
  *memory = (struct handover_memory) { start, TAKE_FD (fd) };
  return 0;
}

void
handover_memory_close (struct handover_memory *memory)
{
  if (memory->start == NULL)
    return;
  munmap (memory->start, HANDOVER_BYTES);
  if (memory->fd >= 0)
    close (memory->fd);
  *memory = (struct handover_memory) { NULL, -1 };
}

int
handover_memory_back (const struct handover_memory *memory, uint32_t from,
                      uint32_t to)
{
  int r;

  do
    r = fallocate (memory->fd, 0, (off_t) from, (off_t) (to - from));
  while (r < 0 && errno == EINTR);
  return r < 0 ? -errno : 0;
}

/* --- the gateway's side ------------------------------------------------ */

/* *FD is -1 where none came. */
static int
receive_answer (int socket, struct answer *answer, int *fd)
{
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE (sizeof (int))];
  } control = { .bytes = { 0 } };
  struct iovec part = { answer, sizeof *answer };
  struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = sizeof control.bytes };
  const struct cmsghdr *header;
  ssize_t n;

  do
    n = recvmsg (socket, &message, MSG_CMSG_CLOEXEC | MSG_WAITALL);
  while (n < 0 && errno == EINTR);
  if (n < 0)
    return -errno;
  header = CMSG_FIRSTHDR (&message);
  if (header != NULL && header->cmsg_level == SOL_SOCKET &&
      header->cmsg_type == SCM_RIGHTS &&
      header->cmsg_len == CMSG_LEN (sizeof (int)))
    memcpy (fd, CMSG_DATA (header), sizeof *fd);
  return n == 0 ? -ECONNRESET : (size_t) n < sizeof *answer ? -EBADMSG : 0;
}

/* Nobody can take away what is mapped here.  fstat would be the system call of
 * stat (2), which the gateway's filter refuses (gateway-confine.h). */
static int
map_received (int fd, struct handover_memory *memory)
{
  int seals = fcntl (fd, F_GET_SEALS);
  void *start;

  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0 ||
      lseek (fd, 0, SEEK_END) != HANDOVER_BYTES)
    return -EBADMSG;
  start = mmap (NULL, HANDOVER_BYTES, PROT_READ, MAP_SHARED, fd, 0);
  if (start == MAP_FAILED)
    return -errno;
  *memory = (struct handover_memory) { start, -1 };
  return 0;
}

int
handover_memory_take (int socket, uint64_t number,
                      struct handover_memory *memory, uint64_t *disk_size)
{
  struct answer answer = { .magic = 0 };
  CLEANUP_FD int fd = -1;
  int r = full_send (socket, &number, sizeof number);

  if (r == 0)
    r = receive_answer (socket, &answer, &fd);
  if (r == 0 && (fd < 0 || answer.magic != ANSWER_MAGIC ||
                 answer.bytes != HANDOVER_BYTES ||
                 answer.disk_size > HANDOVER_DISK_MAX))
    r = -EBADMSG;
  if (r == 0)
    r = map_received (fd, memory);
  if (r == 0)
    *disk_size = answer.disk_size;
  return r;
}

/* --- the view's side --------------------------------------------------- */

int
handover_memory_asked (int socket, uint64_t *number)
{
  return full_recv (socket, number, sizeof *number);
}

int
handover_memory_give (int socket, const struct handover_memory *memory,
                      uint64_t disk_size)
{
  struct answer answer = { ANSWER_MAGIC, HANDOVER_BYTES, disk_size };
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE (sizeof (int))];
  } control = { .bytes = { 0 } };
  struct iovec part = { &answer, sizeof answer };
  struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = sizeof control.bytes };
  struct cmsghdr *header = CMSG_FIRSTHDR (&message);
  ssize_t n;

  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN (sizeof (int));
  memcpy (CMSG_DATA (header), &memory->fd, sizeof memory->fd);
  do
    n = sendmsg (socket, &message, MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);
  if (n < 0)
    return -errno;
  return (size_t) n == sizeof answer ? 0 : -EIO;
}
