/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a gateway that was taken over by a client could still do: use the sockets and
 * files it has, accept clients, and connect to the view.  Nothing else: no file can be
 * opened, no program run, no other kind of socket made, no other process touched. */
#ifndef PULLBACK_GATEWAY_CONFINE_H
#define PULLBACK_GATEWAY_CONFINE_H

#include <stdbool.h>

#include "failure.h"
#include "gateway-routes.h"

struct gateway_confine {
  const char *user;             /* a name or a number; NULL: stays who it is */
  bool unlinks;                 /* it has sockets of its own to remove */
};

/* Becomes that user, and goes to the folder of ROUTES' upstream socket before, whose path
 * becomes the name in there, and so do those of its memory and of exports' own servers, which must be there as well,
 * as the user may not pass through those above; drops all capabilities and the right to gain any, and sets the filter of system calls.  Once, when
 * all is open and before there are threads.  -errno with a sentence in WHY. */
int gateway_confine (const struct gateway_confine *how, struct routes *routes,
                     struct failure *why) WARN_UNUSED;

#endif
