/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Answers NBD_CMD_TRIM where clients may give back what they have read (--consume):
 * the upstream server is asked to, and does what it means there. */
#ifndef PULLBACK_GATEWAY_TRIM_H
#define PULLBACK_GATEWAY_TRIM_H

#include "gateway-handshake.h"
#include "gateway-reply.h"
#include "gateway-served.h"

/* Of one connection, all borrowed.  One thread. */
struct trim {
  const char *socket_path;      /* of the upstream server */
  const struct session *session;
  struct served_session *served;
  struct reply_channel *channel;
  int64_t served_ms;            /* see gateway_activity_touch */
};

/* Answers REQUEST, whose range is inside the export and not empty.  Within the life of
 * a struct block_status, whose connections it uses.  -errno: client or upstream server
 * are lost. */
int gateway_trim_answer (struct trim *trim, const struct nbd_request *request) WARN_UNUSED;

#endif
