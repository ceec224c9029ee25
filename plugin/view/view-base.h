/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The base of a disk, which is told what the guest has written.
 *
 * Threads: opened by one thread, before any export. */
#ifndef PULLBACK_VIEW_BASE_H
#define PULLBACK_VIEW_BASE_H

#include "fleece-store.h"
#include "plugin-config.h"
#include "source.h"

/* Opens the base that CONFIG says; it may use STORE until it is closed. */
int view_base_open (struct fleece_store *store, const struct disk_config *config,
                    struct source **base, struct failure *why) WARN_UNUSED;

#endif
