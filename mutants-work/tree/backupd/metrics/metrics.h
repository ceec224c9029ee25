/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the daemon, its domains and their backups are, as metrics. */
#ifndef PULLBACK_METRICS_H
#define PULLBACK_METRICS_H

#include "domain-registry.h"

/* All metrics, from what domains have published: waits for none, and asks no QEMU.  g_free.
 * Threads: any. */
char *metrics_format (struct domain_registry *registry);

#endif
