/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* That a reply was sent says little of a client that was killed: what lay in its
 * socket and its memory is gone.  Only the client knows what it has stored, and
 * a flush is the one word that NBD has for it; it counts for its own connection
 * alone, as another client's reads may be lost all the same.
 *
 * Reads of less than a granule are put together per connection, as a client that
 * reads so reads on where it was.  All tables are bounded: what does not fit is
 * forgotten, and then read again. */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "checked-math.h"
#include "gateway-served.h"
#include "granule-map.h"

struct served {
  struct granule_map *sent, *confirmed;
  struct served *next;          /* a ring of the disk's exports */
};

static int
open_map (const char *folder, const char *export, const char *kind,
          struct granule_map **map, struct failure *why)
{
  char path[4096];
  int n = snprintf (path, sizeof path, "%s/%s.%s", folder, export, kind);
  int r = n < 0 || (size_t) n >= sizeof path ? -ENOENT
          : granule_map_open (path, true, map);

  if (r < 0 && r != -ENOENT)
    failure_set (why, FAILURE_STORAGE, -r, "cannot open the map of what was "
                 "served %.500s: %s", path, strerror (-r));
  return r;
}

int
gateway_served_open (const char *folder, const char *export,
                     struct served **served, struct failure *why)
{
  struct served out = { NULL, NULL, NULL };
  int r = strchr (export, '/') != NULL ? -ENOENT
          : open_map (folder, export, "sent", &out.sent, why);

  if (r == 0)
    r = open_map (folder, export, "confirmed", &out.confirmed, why);
  if (r == 0 && (granule_map_disk_size (out.sent) !=
                 granule_map_disk_size (out.confirmed) ||
                 granule_map_granule (out.sent) !=
                 granule_map_granule (out.confirmed)))
    r = failure_set (why, FAILURE_STORAGE, EINVAL, "the maps of what was "
                     "served of %.200s in %.500s do not fit each other: remove "
                     "them", export, folder);
  if (r == 0 && (*served = malloc (sizeof **served)) == NULL)
    r = failure_set (why, FAILURE_GENERIC, ENOMEM, "out of memory");
  if (r == 0) {
    **served = out;
    (*served)->next = *served;
    return 0;
  }
  granule_map_close (out.sent);
  granule_map_close (out.confirmed);
  if (r == -ENOENT)
    *served = NULL;
  return r == -ENOENT ? 0 : r;
}

void
gateway_served_close (struct served *served)
{
  if (served == NULL)
    return;
  granule_map_close (served->sent);
  granule_map_close (served->confirmed);
  free (served);
}

void
gateway_served_join_disk (struct served *served, struct served *other)
{
  struct served *next = served->next;

  if (gateway_served_size (served) != gateway_served_size (other))
    return;
  served->next = other->next;
  other->next = next;
}

uint64_t
gateway_served_size (const struct served *served)
{
  return granule_map_disk_size (served->sent);
}

int
gateway_served_extents (const struct served *served, uint64_t offset,
                        uint64_t length, struct extent_list *list)
{
  int r = 0;

  while (r == 0 && length > 0) {
    bool sent, confirmed;
    uint64_t n = granule_map_run (served->sent, offset, length, &sent);
    uint32_t flags = 0;

    if (sent) {
      n = granule_map_run (served->confirmed, offset, n, &confirmed);
      flags = SERVED_SENT | (confirmed ? SERVED_CONFIRMED : 0);
    }
    r = extent_list_add (list, n, flags);
    offset += n;
    length -= n;
  }
  return r == -ENOSPC ? 0 : r;
}

/* --- a connection ----------------------------------------------------- */

void
gateway_served_join (struct served_session *session, struct served *served,
                     uint64_t size)
{
  session->served = served != NULL && gateway_served_size (served) == size
                    ? served : NULL;
  pthread_mutex_init (&session->lock, NULL);
}

void
gateway_served_leave (struct served_session *session)
{
  pthread_mutex_destroy (&session->lock);
}

static bool
touch (const struct served_range *a, const struct served_range *b)
{
  return a->begin <= b->end && b->begin <= a->end;
}

static void
unite (struct served_range *a, const struct served_range *b)
{
  a->begin = min_u64 (a->begin, b->begin);
  a->end = max_u64 (a->end, b->end);
}

/* Most clients read on where they were. */
static void
remember_locked (struct served_session *session, struct served_range range)
{
  struct served_range *latest = &session->ranges[session->latest];
  unsigned i;

  if (session->count > 0 && range.begin == latest->end) {
    latest->end = range.end;
    return;
  }
  for (i = 0; i < session->count; )
    if (touch (&session->ranges[i], &range)) {
      unite (&range, &session->ranges[i]);
      session->ranges[i] = session->ranges[--session->count];
    } else
      i++;
  if (session->count == SERVED_RANGES)
    return;
  session->latest = session->count++;
  session->ranges[session->latest] = range;
}

static void
mark_granules (struct served_session *session, uint64_t begin, uint64_t end)
{
  struct served_range range = { begin, end };

  if (granule_map_set (session->served->sent, begin, end - begin) < 0)
    return;
  pthread_mutex_lock (&session->lock);
  remember_locked (session, range);
  pthread_mutex_unlock (&session->lock);
}

/* FRAGMENT lies within one granule.  Those that are kept do not touch each other
 * within one, so that one look at each is enough. */
static void
mark_fragment (struct served_session *session, struct served_range fragment)
{
  uint64_t granule = granule_map_granule (session->served->sent);
  uint64_t begin = round_down_pow2 (fragment.begin, granule);
  uint64_t end = min_u64 (begin + granule,
                          gateway_served_size (session->served));
  struct served_range *kept = session->fragments, *place = NULL;

  for (; kept < session->fragments + SERVED_FRAGMENTS; kept++) {
    if (kept->begin != kept->end && kept->begin >= begin && kept->end <= end &&
        touch (kept, &fragment)) {
      unite (&fragment, kept);
      kept->begin = kept->end = 0;
    }
    if (kept->begin == kept->end)
      place = kept;
  }
  if (fragment.begin == begin && fragment.end == end) {
    mark_granules (session, begin, end);
    return;
  }
  if (place == NULL)
    place = &session->fragments[session->next_fragment++ % SERVED_FRAGMENTS];
  *place = fragment;
}

void
gateway_served_mark (struct served_session *session, uint64_t offset,
                     uint64_t length)
{
  uint64_t end = offset + length, size, granule, first, last;

  if (session->served == NULL)
    return;
  size = gateway_served_size (session->served);
  granule = granule_map_granule (session->served->sent);
  first = round_up_pow2 (offset, granule);
  last = end == size ? size : round_down_pow2 (end, granule);
  if (first >= last && round_down_pow2 (offset, granule) ==
                       round_down_pow2 (end - 1, granule)) {
    mark_fragment (session, (struct served_range) { offset, end });
    return;
  }
  if (offset < first)
    mark_fragment (session, (struct served_range) { offset, first });
  if (first < last)
    mark_granules (session, first, last);
  if (last < end)
    mark_fragment (session, (struct served_range) { last, end });
}

int
gateway_served_confirm (struct served_session *session)
{
  int r = 0;

  if (session->served == NULL)
    return 0;
  pthread_mutex_lock (&session->lock);
  while (r == 0 && session->count > 0) {
    const struct served_range *range = &session->ranges[session->count - 1];

    r = granule_map_set (session->served->confirmed, range->begin,
                         range->end - range->begin);
    session->count -= r == 0;
  }
  session->latest = 0;
  pthread_mutex_unlock (&session->lock);
  return r;
}

static int
consume_one (const struct served *served, uint64_t offset, uint64_t end)
{
  uint64_t granule = granule_map_granule (served->sent);
  int r;

  offset = round_up_pow2 (offset, granule);
  if (end != gateway_served_size (served))
    end = round_down_pow2 (end, granule);
  if (offset >= end)
    return 0;
  r = granule_map_set (served->sent, offset, end - offset);
  return r < 0 ? r
         : granule_map_set (served->confirmed, offset, end - offset);
}

int
gateway_served_consume (struct served_session *session, uint64_t offset,
                        uint64_t length)
{
  const struct served *served = session->served;
  int r = 0;

  if (served == NULL)
    return 0;
  do {
    r = consume_one (served, offset, offset + length);
    served = served->next;
  } while (r == 0 && served != session->served);
  return r;
}
