/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Contexts are asked for one after the other, each on a connection that is
 * taken from the pool for just that question: clients that hold one and want
 * another would wait for each other.  What one request costs is bounded in
 * extents and in time, as a fragmented disk has millions of them; a short
 * answer is always allowed, and the client asks on. */
#include <config.h>

#include <errno.h>

#include "checked-math.h"
#include "deadline.h"
#include "extent-list.h"
#include "gateway-activity.h"
#include "gateway-block-status.h"
#include "gateway-status-pool.h"

/* Of all contexts of a reply together, and what each may have in any case.
 * The client asks on. */
#define EXTENTS_MAX 8192
#define EXTENTS_LEAST 64
/* No further question to the upstream server after this. */
#define ASK_MS 1000

void
gateway_block_status_create (struct block_status *status,
                             const char *socket_path,
                             const struct session *session)
{
  *status = (struct block_status) { socket_path, session, 0 };
  gateway_status_pool_join ();
}

void
gateway_block_status_destroy (struct block_status *status)
{
  (void) status;
  gateway_status_pool_leave ();
}

static size_t
count_contexts (const struct session *session)
{
  size_t i, count = 0;

  for (i = 0; i < gateway_meta_context_count (session->route); i++)
    count += session->contexts.has[i];
  return count;
}

bool
gateway_block_status_negotiated (const struct session *session)
{
  return count_contexts (session) > 0;
}

static int
take_context (const struct block_status *status, size_t number,
              struct status_slot **slot, struct failure *why)
{
  const struct route *route = status->session->route;
  const char *export = number == 0 ? route->upstream :
                                     route->contexts[number - 1].upstream;
  int r = gateway_status_pool_take (status->socket_path, export, slot, why);

  if (r < 0)
    return r;
  if (gateway_status_slot_upstream (*slot)->size !=
      status->session->data.size) {
    gateway_status_pool_give (*slot);
    return failure_set (why, FAILURE_GENERIC, ENOTSUP, "the upstream export "
                        "\"%.200s\" has another size than \"%.200s\"",
                        export, route->upstream);
  }
  return 0;
}

/* Fills LIST for one context, not necessarily up to the end of the request. */
static int
ask (struct upstream *upstream, size_t number,
     const struct nbd_request *request, int64_t end_ms,
     struct extent_list *list, uint32_t *nbd_error)
{
  bool one = request->flags & NBD_CMD_FLAG_REQ_ONE;
  enum extent_view view = number == 0 ? EXTENT_VIEW_ALLOCATION :
                                        EXTENT_VIEW_DIRTY;
  int r;

  do {
    uint64_t before = list->total;

    r = gateway_upstream_block_status (upstream, request->offset + before,
                                       (uint32_t) (request->length - before),
                                       one, view, request->length, list,
                                       nbd_error);
    if (r == 0 && *nbd_error == 0 && list->total == before)
      r = -EPROTO;
  } while (r == 0 && *nbd_error == 0 && !one && now_ms () < end_ms);
  return r;
}

/* As ask_context. */
static int
look_at_served (const struct session *session,
                const struct nbd_request *request, struct extent_list *list,
                struct failure *why)
{
  const struct served *served = session->route->served;

  if (gateway_served_size (served) == session->data.size)
    return gateway_served_extents (served, request->offset, request->length,
                                   list);
  failure_set (why, FAILURE_GENERIC, ENOTSUP, "the maps of what was served are "
               "of another size than \"%.200s\"", session->route->name);
  return NBD_EIO;
}

/* As ask_context. */
static int
look_at_dirty (const struct session *session, const struct dirty *dirty,
               size_t number, const struct nbd_request *request,
               struct extent_list *list, struct failure *why)
{
  int r;

  if (gateway_dirty_size (dirty) != session->data.size) {
    failure_set (why, FAILURE_GENERIC, ENOTSUP, "the map of what has changed "
                 "is of another size than \"%.200s\"", session->route->name);
    return NBD_EIO;
  }
  r = gateway_dirty_extents (dirty, request->offset, request->length,
                             number == 0 ? EXTENT_VIEW_ALLOCATION
                             : EXTENT_VIEW_DIRTY, list);
  if (r == -EIO)
    failure_set (why, FAILURE_GENERIC, EIO, "the backup is broken");
  return r == -EIO ? NBD_EIO : r;
}

/* 0, a positive NBD error, or -errno. */
static int
ask_context (struct block_status *status, size_t number,
             const struct nbd_request *request, int64_t end_ms,
             struct extent_list *list, struct failure *why)
{
  const struct route *route = status->session->route;
  const struct dirty *dirty;
  struct status_slot *slot;
  uint32_t nbd_error = 0;
  int r;

  if (gateway_meta_context_is_served (route, number))
    return look_at_served (status->session, request, list, why);
  dirty = number == 0 ? route->dirty : route->contexts[number - 1].dirty;
  if (dirty != NULL)
    return look_at_dirty (status->session, dirty, number, request, list, why);
  r = take_context (status, number, &slot, why);
  /* Lost is lost; an answer that makes no sense the client should see. */
  if (r < 0)
    return r == -ESHUTDOWN || r == -ECONNRESET || r == -EPIPE ? r : NBD_EIO;
  r = ask (gateway_status_slot_upstream (slot), number, request, end_ms, list,
           &nbd_error);
  if (r < 0)
    gateway_upstream_close (gateway_status_slot_upstream (slot));
  gateway_status_pool_give (slot);
  if (r < 0)
    return r;
  if (nbd_error == 0 || list->count > 0)
    return 0;
  failure_set (why, FAILURE_GENERIC, EIO,
               "the upstream server cannot tell the block status");
  return (int) nbd_error_known (nbd_error);
}

static void
put_chunk (struct nbd_buffer *chunks, uint64_t cookie, size_t number,
           const struct extent_list *list, bool last)
{
  struct nbd_chunk chunk = {
    .flags = last ? NBD_CHUNK_FLAG_DONE : 0, .type = NBD_CHUNK_BLOCK_STATUS,
    .cookie = cookie, .length = (uint32_t) (4 + list->count * NBD_EXTENT_SIZE)
  };
  uint8_t head[NBD_CHUNK_SIZE];

  nbd_chunk_encode (head, &chunk);
  nbd_put_bytes (chunks, head, sizeof head);
  nbd_put32 (chunks, (uint32_t) number);
  extent_list_put (list, chunks);
}

static size_t
last_context (const struct session *session)
{
  size_t i = gateway_meta_context_count (session->route) - 1;

  while (i > 0 && !session->contexts.has[i])
    i--;
  return i;
}

int
gateway_block_status_answer (struct block_status *status,
                             const struct nbd_request *request,
                             struct reply_channel *channel)
{
  const struct session *session = status->session;
  size_t last = last_context (session), i;
  struct failure why = { .error = 0 };
  struct nbd_buffer chunks = { 0 };
  struct extent_list list;
  int64_t end_ms = now_ms () + ASK_MS;
  int r = 0;

  extent_list_init (&list, request->flags & NBD_CMD_FLAG_REQ_ONE ? 1 :
                    max_u64 (EXTENTS_MAX / count_contexts (session),
                             EXTENTS_LEAST));
  for (i = 0; i <= last && r == 0; i++) {
    if (!session->contexts.has[i])
      continue;
    extent_list_free (&list);
    r = ask_context (status, i, request, end_ms, &list, &why);
    if (r == 0)
      put_chunk (&chunks, request->cookie, i, &list, i == last);
  }
  extent_list_free (&list);
  if (r == 0) {
    r = gateway_reply_chunks (channel, &chunks);
    if (r == 0)
      gateway_activity_touch (&status->served_ms);
    return r;
  }
  nbd_buffer_free (&chunks);
  if (r < 0)
    return r;
  return gateway_reply_error (channel, request->cookie, (uint32_t) r, why.text);
}
