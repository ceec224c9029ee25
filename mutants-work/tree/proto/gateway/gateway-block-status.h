/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Answers NBD_CMD_BLOCK_STATUS: asks the upstream export of every negotiated
 * context for its allocation and shows each as one chunk.  One thread. */
#ifndef PULLBACK_GATEWAY_BLOCK_STATUS_H
#define PULLBACK_GATEWAY_BLOCK_STATUS_H

#include "gateway-handshake.h"
#include "gateway-reply.h"

struct block_status {
  const char *socket_path;      /* of the upstream server; borrowed */
  const struct session *session;        /* borrowed */
  int64_t served_ms;            /* see gateway_activity_touch */
};

void gateway_block_status_create (struct block_status *status, const char *socket_path, const struct session *session);
void gateway_block_status_destroy (struct block_status *status);

/* Was any context negotiated? */
bool gateway_block_status_negotiated (const struct session *session);

/* Answers REQUEST, whose range is inside the export and not empty.  -errno:
 * client or upstream server are lost. */
int gateway_block_status_answer (struct block_status *status, const struct nbd_request *request, struct reply_channel *channel) WARN_UNUSED;

#endif
