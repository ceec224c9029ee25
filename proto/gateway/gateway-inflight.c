/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Upstream answers in any order and says nothing of a request but its cookie.
 * So the number of a piece's place in a table is the cookie: an answer finds
 * its piece without a search, and one that was never asked for, or is given
 * twice, is seen as such (pieces that were begun are not taken again). */
#include <config.h>

#include <errno.h>

#include "deadline.h"
#include "gateway-inflight.h"

/* Such a part of what there may be must be free before who waits is told. */
#define ROOM_PART 4

void
gateway_inflight_create (struct inflight *inflight, uint64_t limit,
                         bool in_memory)
{
  *inflight = (struct inflight) { .limit = limit, .in_memory = in_memory };
  pthread_mutex_init (&inflight->lock, NULL);
  pthread_cond_init (&inflight->changed, NULL);
}

void
gateway_inflight_destroy (struct inflight *inflight)
{
  pthread_mutex_destroy (&inflight->lock);
  pthread_cond_destroy (&inflight->changed);
}

void
gateway_inflight_set_limit (struct inflight *inflight, uint64_t limit)
{
  pthread_mutex_lock (&inflight->lock);
  inflight->limit = limit;
  pthread_mutex_unlock (&inflight->lock);
}

struct inflight_read *
gateway_inflight_begin (struct inflight *inflight,
                        const struct inflight_read *read)
{
  struct inflight_read *place = inflight->reads;

  pthread_mutex_lock (&inflight->lock);
  while (place->left > 0)
    place++;
  *place = *read;
  place->left = read->length;
  place->error = 0;
  pthread_mutex_unlock (&inflight->lock);
  return place;
}

static bool
has_room_locked (const struct inflight *inflight, uint32_t length)
{
  return inflight->count == 0 ||
         (inflight->count < INFLIGHT_PIECES &&
          inflight->bytes + length <= inflight->limit);
}

/* -EAGAIN: once something is released.  One that finds no slot among none that are
 * lent never would. */
static int
take_place_locked (struct inflight *inflight, struct inflight_piece *piece)
{
  int number = 0, r = 0;

  if (!has_room_locked (inflight, piece->length))
    return -EAGAIN;
  if (inflight->in_memory)
    r = gateway_slots_take (&inflight->slots, piece->length, inflight->limit,
                            &piece->slot);
  if (r < 0)
    return inflight->count == 0 ? -ENOBUFS : r;
  while (inflight->pieces[number].read != NULL)
    number++;
  inflight->pieces[number] = *piece;
  inflight->count++;
  inflight->unbegun++;
  inflight->bytes += piece->length;
  return number;
}

int
gateway_inflight_add (struct inflight *inflight, struct inflight_read *read,
                      uint64_t offset, uint32_t length, bool wait,
                      uint32_t *slot)
{
  struct inflight_piece piece = { .read = read, .offset = offset,
                                  .length = length };
  int r;

  pthread_mutex_lock (&inflight->lock);
  for (;;) {
    r = inflight->closed ? -ESHUTDOWN
        : read->error != 0 ? -ECANCELED : take_place_locked (inflight, &piece);
    if (r != -EAGAIN || !wait)
      break;
    pthread_cond_wait (&inflight->changed, &inflight->lock);
  }
  pthread_mutex_unlock (&inflight->lock);
  if (r >= 0)
    *slot = piece.slot;
  return r;
}

int
gateway_inflight_wait_begun (struct inflight *inflight)
{
  int r;

  pthread_mutex_lock (&inflight->lock);
  while (!inflight->closed && inflight->unbegun > 0)
    pthread_cond_wait (&inflight->changed, &inflight->lock);
  r = inflight->closed ? -ESHUTDOWN : 0;
  pthread_mutex_unlock (&inflight->lock);
  return r;
}

bool
gateway_inflight_is_waiting (struct inflight *inflight)
{
  bool waiting;

  pthread_mutex_lock (&inflight->lock);
  waiting = inflight->unbegun > 0;
  pthread_mutex_unlock (&inflight->lock);
  return waiting;
}

int
gateway_inflight_take (struct inflight *inflight, uint64_t number,
                       uint32_t error, struct inflight_piece *piece,
                       struct inflight_read *read)
{
  struct inflight_piece *found;
  int r = -EBADMSG;

  if (number >= INFLIGHT_PIECES)
    return r;
  found = &inflight->pieces[number];
  pthread_mutex_lock (&inflight->lock);
  if (found->read != NULL && !found->begun) {
    found->begun = true;
    inflight->unbegun--;
    if (found->read->error == 0)
      found->read->error = error;
    *piece = *found;
    *read = *found->read;
    if (inflight->unbegun == 0 || read->error != 0)
      pthread_cond_signal (&inflight->changed);
    r = 0;
  }
  pthread_mutex_unlock (&inflight->lock);
  return r;
}

static bool
subtract_locked (struct inflight_read *read, uint32_t length,
                 struct inflight_read *end)
{
  read->left -= length;
  *end = *read;
  return read->left == 0;
}

bool
gateway_inflight_release (struct inflight *inflight, uint64_t number,
                          struct inflight_read *end)
{
  struct inflight_piece *piece = &inflight->pieces[number];
  bool ended;

  pthread_mutex_lock (&inflight->lock);
  ended = subtract_locked (piece->read, piece->length, end);
  if (inflight->in_memory)
    gateway_slots_give (&inflight->slots, piece->slot, piece->length);
  piece->read = NULL;
  inflight->count--;
  inflight->bytes -= piece->length;
  /* Not for each: who waits for room then asks for several at once.  There is
   * enough under way meanwhile, and the last always tells. */
  if (inflight->bytes <= inflight->limit - inflight->limit / ROOM_PART &&
      inflight->count <= INFLIGHT_PIECES - INFLIGHT_PIECES / ROOM_PART)
    pthread_cond_signal (&inflight->changed);
  pthread_mutex_unlock (&inflight->lock);
  return ended;
}

bool
gateway_inflight_give_up (struct inflight *inflight, struct inflight_read *read,
                          uint32_t length, struct inflight_read *end)
{
  bool ended;

  pthread_mutex_lock (&inflight->lock);
  ended = subtract_locked (read, length, end);
  pthread_mutex_unlock (&inflight->lock);
  return ended;
}

int
gateway_inflight_drain (struct inflight *inflight, int64_t deadline_ms)
{
  int r;

  pthread_mutex_lock (&inflight->lock);
  while (!inflight->gone && inflight->count > 0 &&
         wait_until_ms (&inflight->changed, &inflight->lock, deadline_ms))
    ;
  r = inflight->count == 0 ? 0 : inflight->gone ? -ESHUTDOWN : -ETIMEDOUT;
  pthread_mutex_unlock (&inflight->lock);
  return r;
}

void
gateway_inflight_close (struct inflight *inflight)
{
  pthread_mutex_lock (&inflight->lock);
  inflight->closed = true;
  pthread_cond_broadcast (&inflight->changed);
  pthread_mutex_unlock (&inflight->lock);
}

void
gateway_inflight_finish (struct inflight *inflight)
{
  pthread_mutex_lock (&inflight->lock);
  inflight->closed = inflight->gone = true;
  pthread_cond_broadcast (&inflight->changed);
  pthread_mutex_unlock (&inflight->lock);
}
