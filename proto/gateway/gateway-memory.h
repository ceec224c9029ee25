/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connections to an upstream server that hands payload over in memory, which the view
 * does (proto/handover/, rules M1 to M4). */
#ifndef PULLBACK_GATEWAY_MEMORY_H
#define PULLBACK_GATEWAY_MEMORY_H

#include "gateway-routes.h"
#include "gateway-upstream.h"

/* As gateway_upstream_open of the upstream server of ROUTES, for reads: with memory
 * where there is some, which UPSTREAM then has, else as UPSTREAM_DATA. */
int gateway_memory_open (const struct routes *routes, const char *export, struct upstream *upstream, struct failure *why) WARN_UNUSED;

#endif
