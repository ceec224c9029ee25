/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What only the daemon's life has: counters.  Threads: any. */
#ifndef PULLBACK_METRICS_COUNT_H
#define PULLBACK_METRICS_COUNT_H

#include <json-c/json.h>

#include "metrics-text.h"

/* The daemon starts. */
void metrics_count_start (void);

/* Counts an event of control-events.tbl.h.  DATA is borrowed. */
void metrics_count_event (const char *event, json_object *data);

/* The control socket has N clients. */
void metrics_count_clients (unsigned n);

/* Adds all of it to TEXT. */
void metrics_count_show (struct metrics_text *text);

#endif
