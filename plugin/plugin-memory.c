/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nbdkit tells when a connection is over only after its last request has been: so
 * memory that is made when a connection is opened and freed when it is closed is
 * never written to by anybody else's request, whatever became of the gateway.
 *
 * One thread gives memory to who asks.  That is the gateway only, which asks at
 * once; so it is waited for, within a limit. */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "checked-math.h"
#include "handover-memory.h"
#include "handover-offset.h"
#include "log.h"
#include "plugin-memory.h"
#include "socket.h"

#define ASKS_WITHIN_S 2

struct plugin_memory {
  uint64_t number;
  char text[24];                /* the number */
  uint64_t disk_size;
  struct handover_memory memory;
  pthread_mutex_t lock;         /* protects backed */
  uint32_t backed;              /* so much has memory behind it */
  struct plugin_memory *next;   /* protected by the lock of all */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* Protected by lock. */
static struct plugin_memory *all;
/* Of this view, whose first one nobody else's is: who asks may have the number of a
 * view that was there before. */
static uint64_t last_number;

static int listener = -1;       /* constant while the thread runs */
static const char *listener_path;
static pthread_t thread;

/* --- giving ------------------------------------------------------------ */

/* Under the lock, so that it is not freed meanwhile.  A connection's answer fits
 * into its socket. */
static int
give (int fd, uint64_t number)
{
  const struct plugin_memory *memory;
  int r = -ENOENT;

  pthread_mutex_lock (&lock);
  for (memory = all; memory != NULL; memory = memory->next)
    if (memory->number == number) {
      r = handover_memory_give (fd, &memory->memory, memory->disk_size);
      break;
    }
  pthread_mutex_unlock (&lock);
  return r;
}

static void
answer (int fd)
{
  const struct timeval limit = { .tv_sec = ASKS_WITHIN_S };
  uint64_t number = 0;
  int r = 0;

  if (setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) < 0 ||
      setsockopt (fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) < 0)
    r = -errno;
  if (r == 0)
    r = handover_memory_asked (fd, &number);
  if (r == 0)
    r = give (fd, number);
  if (r < 0)
    log_debug ("nothing is given: %s", strerror (-r));
}

/* Until the listener is shut down. */
static void *
serve (void *unused)
{
  for (;;) {
    CLEANUP_FD int fd = accept4 (listener, NULL, NULL, SOCK_CLOEXEC);

    if (fd >= 0)
      answer (fd);
    else if (errno == EINVAL)
      return NULL;
    else if (errno != EINTR && errno != ECONNABORTED)
      usleep (100000);          /* short of descriptors or memory */
  }
}

static int
listen_for_gateway (const struct plugin_config *config, struct failure *why)
{
  int r = socket_listen_unix (config->memory, &listener);

  if (r == 0 && config->memory_owned &&
      lchown (config->memory, config->memory_uid, config->memory_gid) < 0)
    r = -errno;
  return r == 0 ? 0
         : failure_set (why, FAILURE_STORAGE, -r, "cannot listen at %s: %s",
                        config->memory, strerror (-r));
}

int
plugin_memory_serve (const struct plugin_config *config, struct failure *why)
{
  int r;

  if (config->memory == NULL)
    return 0;
  r = listen_for_gateway (config, why);
  listener_path = config->memory;
  if (r == 0) {
    r = -pthread_create (&thread, NULL, serve, NULL);
    if (r < 0)
      failure_set (why, FAILURE_GENERIC, -r, "no thread for %s: %s",
                   config->memory, strerror (-r));
  }
  if (r < 0 && listener >= 0) {
    close (listener);
    listener = -1;
  }
  return r;
}

void
plugin_memory_stop (void)
{
  if (listener < 0)
    return;
  shutdown (listener, SHUT_RDWR);
  pthread_join (thread, NULL);
  close (listener);
  listener = -1;
  unlink (listener_path);
}

bool
plugin_memory_is_served (void)
{
  return listener >= 0;
}

/* --- the memory of a connection ---------------------------------------- */

static int
next_number_locked (uint64_t *number)
{
  if (last_number == 0) {
    if (getrandom (&last_number, sizeof last_number, 0) !=
        (ssize_t) sizeof last_number)
      return -EIO;
    last_number &= INT64_MAX;
  }
  *number = ++last_number;
  return 0;
}

int
plugin_memory_create (uint64_t disk_size, struct plugin_memory **ret)
{
  struct plugin_memory *memory = calloc (1, sizeof *memory);
  int r = memory == NULL ? -ENOMEM : handover_memory_open (&memory->memory);

  if (r < 0) {
    free (memory);
    return r;
  }
  memory->disk_size = disk_size;
  pthread_mutex_init (&memory->lock, NULL);
  pthread_mutex_lock (&lock);
  memory->next = all;
  all = memory;
  r = next_number_locked (&memory->number);
  pthread_mutex_unlock (&lock);
  if (r < 0) {
    plugin_memory_destroy (memory);
    return r;
  }
  snprintf (memory->text, sizeof memory->text, "%" PRIu64, memory->number);
  *ret = memory;
  return 0;
}

void
plugin_memory_destroy (struct plugin_memory *memory)
{
  struct plugin_memory **link = &all;

  if (memory == NULL)
    return;
  pthread_mutex_lock (&lock);
  while (*link != memory)
    link = &(*link)->next;
  *link = memory->next;
  pthread_mutex_unlock (&lock);
  handover_memory_close (&memory->memory);
  pthread_mutex_destroy (&memory->lock);
  free (memory);
}

const char *
plugin_memory_number (const struct plugin_memory *memory)
{
  return memory->text;
}

static int
back (struct plugin_memory *memory, uint32_t end)
{
  int r = 0;

  pthread_mutex_lock (&memory->lock);
  if (end > memory->backed) {
    r = handover_memory_back (&memory->memory, memory->backed, end);
    if (r == 0)
      memory->backed = end;
  }
  pthread_mutex_unlock (&memory->lock);
  return r;
}

int
plugin_memory_place (struct plugin_memory *memory, uint64_t joined,
                     uint32_t count, char **place, uint64_t *offset)
{
  uint64_t start;
  uint32_t slot;
  int r;

  handover_offset_split (joined, &slot, &start);
  if (!range_is_inside (slot, count, HANDOVER_BYTES) ||
      !range_is_inside (start, count, memory->disk_size))
    return -EINVAL;
  r = back (memory, slot + count);
  if (r < 0)
    return r;
  *place = memory->memory.start + slot;
  *offset = start;
  return 0;
}
