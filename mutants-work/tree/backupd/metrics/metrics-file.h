/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The metrics as a file, for node_exporter's textfile collector.  Threads: start and stop from
 * one. */
#ifndef PULLBACK_METRICS_FILE_H
#define PULLBACK_METRICS_FILE_H

#include "domain-registry.h"
#include "failure.h"

/* From now on a thread keeps PATH (borrowed; absolute) as it is in REGISTRY: at once, after each
 * metrics_file_changed, at the latest every 15 s.  Whoever reads it, mode 0644, sees all of an old
 * or of a new one.  What cannot be written is logged, and tried again. */
int metrics_file_start (const char *path, struct domain_registry *registry,
                        struct failure *why) WARN_UNUSED;

/* Something has happened that should be seen soon.  From any thread; waits for nothing. */
void metrics_file_changed (void);

/* Ends it and removes the file, which would say that all is well.  Where storage hangs it is left
 * behind after 2 s. */
void metrics_file_stop (void);

#endif
