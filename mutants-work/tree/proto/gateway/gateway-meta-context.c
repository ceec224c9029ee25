/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A context's id on the wire is its number in the route, so that nobody has to
 * keep a table of what was negotiated; a client may choose any set of them. */
#include <config.h>

#include <string.h>

#include "gateway-meta-context.h"
#include "name.h"

size_t
gateway_meta_context_count (const struct route *route)
{
  return 1 + route->n_contexts + (route->served != NULL);
}

bool
gateway_meta_context_is_served (const struct route *route, size_t number)
{
  return number > route->n_contexts;
}

static const char *
context_name (const struct route *route, size_t number)
{
  if (gateway_meta_context_is_served (route, number))
    return CONTEXT_SERVED;
  return number == 0 ? CONTEXT_ALLOCATION : route->contexts[number - 1].name;
}

static bool
query_means (struct nbd_text query, const char *name, bool listing)
{
  if (nbd_text_is (query, name))
    return true;
  return listing && query.length > 0 && query.length <= strlen (name) &&
         query.bytes[query.length - 1] == ':' &&
         memcmp (name, query.bytes, query.length) == 0;
}

struct context_set
gateway_meta_context_match (const struct route *route,
                            struct nbd_meta_request *request, bool listing)
{
  struct context_set set = { { false } };
  size_t n = gateway_meta_context_count (route), i;
  uint32_t q;

  for (i = 0; i < n && listing && request->n_queries == 0; i++)
    set.has[i] = true;
  for (q = 0; q < request->n_queries; q++) {
    struct nbd_text query = nbd_meta_request_next (request);

    for (i = 0; i < n; i++)
      if (query_means (query, context_name (route, i), listing))
        set.has[i] = true;
  }
  return set;
}

void
gateway_meta_context_put (const struct route *route,
                          const struct context_set *set, uint32_t option,
                          struct nbd_buffer *out)
{
  size_t i;

  for (i = 0; i < gateway_meta_context_count (route); i++) {
    const char *name = context_name (route, i);
    uint32_t length = (uint32_t) strlen (name);
    /* The id is reserved in a listing. */
    uint32_t id = option == NBD_OPT_SET_META_CONTEXT ? (uint32_t) i : 0;

    if (!set->has[i])
      continue;
    nbd_option_reply_put (out, option, NBD_REP_META_CONTEXT, 4 + length);
    nbd_put32 (out, id);
    nbd_put_bytes (out, name, length);
  }
}
