/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From 0 or -errno and struct failure to what nbdkit wants.  Threads: any. */
#ifndef PULLBACK_PLUGIN_ERRORS_H
#define PULLBACK_PLUGIN_ERRORS_H

#include <stdint.h>

#include "failure.h"

/* 0 stays 0; anything below becomes -1 with nbdkit's errno set and
 * a line in the log. */
int plugin_reply (int result, const char *what, uint64_t offset,
                  uint32_t count);

/* Logs the sentence, returns -1. */
int plugin_refuse (const struct failure *why);

#endif
