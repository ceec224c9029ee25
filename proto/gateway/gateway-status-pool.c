/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One lock, a fixed table and a queue.  The queue is in the order of asking,
 * and whoever gives a slot back hands it to the first in line that can use it,
 * before a newcomer can look; else a busy client would always overtake the one
 * that waits. */
#include <config.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>

#include "deadline.h"
#include "gateway-status-pool.h"

#define WAIT_MS 120000

struct status_slot {
  const char *server, *export;  /* NULL: free */
  bool taken;                   /* the rest is the taker's */
  bool open;
  uint64_t used;                /* the count at the last use */
  struct upstream upstream;
};

struct waiter {
  const char *server, *export;
  struct status_slot *slot;     /* what it got */
  struct waiter *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* Protected by lock. */
static struct status_slot slots[STATUS_POOL_MAX];
static struct waiter *waiters;  /* the first has waited longest */
static uint64_t uses;
static unsigned clients;
static pthread_cond_t served = PTHREAD_COND_INITIALIZER;

static void
close_slot (struct status_slot *slot)
{
  if (slot->open && slot->upstream.fd >= 0)
    gateway_upstream_say_goodbye (&slot->upstream);
  if (slot->open)
    gateway_upstream_close (&slot->upstream);
  slot->open = false;
}

static bool
is_what_is_wanted (const struct status_slot *slot, const struct waiter *waiter)
{
  return slot->export != NULL && strcmp (slot->export, waiter->export) == 0 &&
         strcmp (slot->server, waiter->server) == 0;
}

/* An idle connection to the export; else a free place, if that has none, or few
 * and so have all; else an idle one of another export, if that has none.
 * NULL: wait. */
static struct status_slot *
find_locked (const struct waiter *waiter)
{
  struct status_slot *slot, *mine = NULL, *unused = NULL, *idle = NULL;
  unsigned count = 0, all = 0;

  for (slot = slots; slot < slots + STATUS_POOL_MAX; slot++) {
    all += slot->export != NULL;
    if (slot->export == NULL)
      unused = slot;
    else if (is_what_is_wanted (slot, waiter)) {
      count++;
      if (!slot->taken)
        mine = slot;
    } else if (!slot->taken && (idle == NULL || slot->used < idle->used))
      idle = slot;
  }
  if (mine != NULL)
    return mine;
  if (count == 0)
    return unused != NULL ? unused : idle;
  return count < STATUS_POOL_EXPORT_MAX && all < STATUS_POOL_FEW ? unused : NULL;
}

static bool
serve_locked (struct waiter *waiter)
{
  struct status_slot *slot = find_locked (waiter);

  if (slot == NULL)
    return false;
  if (!is_what_is_wanted (slot, waiter))
    close_slot (slot);
  slot->server = waiter->server;
  slot->export = waiter->export;
  slot->taken = true;
  slot->used = ++uses;
  waiter->slot = slot;
  return true;
}

/* A slot has become idle or free.  Whoever still waits after this can use none,
 * so that a newcomer that finds one overtakes nobody. */
static void
serve_all_locked (void)
{
  struct waiter **link = &waiters;

  while (*link != NULL)
    if (serve_locked (*link))
      *link = (*link)->next;
    else
      link = &(*link)->next;
  pthread_cond_broadcast (&served);
}

static void
forget_locked (struct waiter *waiter)
{
  struct waiter **link = &waiters;

  while (*link != waiter)
    link = &(*link)->next;
  *link = waiter->next;
}

static struct status_slot *
wait_for_slot (const char *server, const char *export)
{
  struct waiter waiter = { .server = server, .export = export };
  struct waiter **link = &waiters;
  int64_t end = now_ms () + WAIT_MS;

  pthread_mutex_lock (&lock);
  if (!serve_locked (&waiter)) {
    while (*link != NULL)
      link = &(*link)->next;
    *link = &waiter;
    while (waiter.slot == NULL && wait_until_ms (&served, &lock, end))
      ;
    if (waiter.slot == NULL)
      forget_locked (&waiter);
  }
  pthread_mutex_unlock (&lock);
  return waiter.slot;
}

/* An idle connection has nothing to say but that it has ended. */
static bool
is_alive (const struct upstream *upstream)
{
  struct pollfd pfd = { .fd = upstream->fd, .events = POLLIN | POLLRDHUP };

  return upstream->fd >= 0 && poll (&pfd, 1, 0) == 0;
}

int
gateway_status_pool_take (const char *socket_path, const char *export,
                          struct status_slot **out, struct failure *why)
{
  struct status_slot *slot = wait_for_slot (socket_path, export);
  int r = 0;

  if (slot == NULL)
    return failure_set (why, FAILURE_GENERIC, EBUSY,
                        "the upstream server is too slow to tell the block "
                        "status to all that ask");
  if (slot->open && !is_alive (&slot->upstream)) {
    gateway_upstream_close (&slot->upstream);
    slot->open = false;
  }
  if (!slot->open)
    r = gateway_upstream_open (socket_path, export, UPSTREAM_STATUS,
                               &slot->upstream, why);
  slot->open |= r == 0;
  if (r < 0)
    gateway_status_pool_give (slot);
  else
    *out = slot;
  return r;
}

struct upstream *
gateway_status_slot_upstream (struct status_slot *slot)
{
  return &slot->upstream;
}

void
gateway_status_pool_give (struct status_slot *slot)
{
  pthread_mutex_lock (&lock);
  slot->taken = false;
  if (!slot->open || slot->upstream.fd < 0) {
    slot->open = false;
    slot->export = NULL;
  }
  serve_all_locked ();
  pthread_mutex_unlock (&lock);
}

void
gateway_status_pool_join (void)
{
  pthread_mutex_lock (&lock);
  clients++;
  pthread_mutex_unlock (&lock);
}

void
gateway_status_pool_leave (void)
{
  struct status_slot *slot;

  pthread_mutex_lock (&lock);
  if (--clients == 0)
    for (slot = slots; slot < slots + STATUS_POOL_MAX; slot++) {
      close_slot (slot);
      slot->export = NULL;
    }
  pthread_mutex_unlock (&lock);
}
