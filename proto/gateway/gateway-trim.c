/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A trim is asked for over a status connection, which is for what is answered without
 * payload, one thing at a time.  That the client needs no more is noted first: a
 * gateway that dies in between leaves a range that would be sent again, but need not
 * be; the other way round it would be asked for and refused. */
#include <config.h>

#include <errno.h>

#include "gateway-activity.h"
#include "gateway-status-pool.h"
#include "gateway-trim.h"

/* 0, a positive NBD error, or -errno. */
static int
ask (const struct trim *trim, const struct nbd_request *request,
     struct failure *why)
{
  const struct route *route = trim->session->route;
  struct status_slot *slot;
  uint32_t nbd_error = 0;
  int r = gateway_status_pool_take (trim->socket_path, route->upstream, &slot,
                                    why);

  /* Lost is lost; an answer that makes no sense the client should see. */
  if (r < 0)
    return r == -ESHUTDOWN || r == -ECONNRESET || r == -EPIPE ? r : NBD_EIO;
  r = gateway_upstream_trim (gateway_status_slot_upstream (slot),
                             request->offset, request->length, &nbd_error);
  if (r < 0)
    gateway_upstream_close (gateway_status_slot_upstream (slot));
  gateway_status_pool_give (slot);
  if (r < 0 || nbd_error == 0)
    return r;
  failure_set (why, FAILURE_GENERIC, EIO,
               "the upstream server could not trim");
  return (int) nbd_error_known (nbd_error);
}

int
gateway_trim_answer (struct trim *trim, const struct nbd_request *request)
{
  struct failure why = { .error = 0 };
  int r;

  if (gateway_served_consume (trim->served, request->offset,
                              request->length) < 0)
    return gateway_reply_error (trim->channel, request->cookie, NBD_EIO,
                                "what is given back cannot be noted");
  r = ask (trim, request, &why);
  if (r < 0)
    return r;
  if (r > 0)
    return gateway_reply_error (trim->channel, request->cookie, (uint32_t) r,
                                why.text);
  gateway_activity_touch (&trim->served_ms);
  return gateway_reply_done (trim->channel, request->cookie);
}
