/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sessions with virtual machines whose monitor libvirt has, by the program
 * pullback-libvirt, one for each session.
 *
 * Threads: any; a session is of the thread that opened it, and ends with it. */
#ifndef PULLBACK_LIBVIRT_LINK_H
#define PULLBACK_LIBVIRT_LINK_H

#include "failure.h"
#include "qmp.h"

/* What libvirt says of one; free it with libvirt_identity_clear. */
struct libvirt_identity {
  char *uuid, *name;            /* NULL: not known */
};

/* 0: URI is of this host's libvirt, and of its QEMUs. */
int libvirt_link_check (const char *uri, struct failure *why) WARN_UNUSED;

/* A session with DOMAIN, a UUID or name there.  *IDENTITY, which is empty before, is filled as far
 * as it is known, on failure, too.
 *
 *   -ECONNREFUSED  it does not run
 *   -ENOENT        there is no such domain
 *
 * or another -errno, when nothing is known. */
int libvirt_link_open (const char *uri, const char *domain, int timeout_ms, struct qmp **qmp,
                       struct libvirt_identity *identity, struct failure *why) WARN_UNUSED;

void libvirt_identity_clear (struct libvirt_identity *identity);

/* libvirt's <domain> as it is now, within 10 s; free *XML with g_free. */
int libvirt_link_describe (struct qmp *qmp, char **xml, struct failure *why) WARN_UNUSED;

#endif
