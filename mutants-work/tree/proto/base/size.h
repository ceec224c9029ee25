/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Numbers of bytes as people write them. */
#ifndef PULLBACK_SIZE_H
#define PULLBACK_SIZE_H

#include <stdint.h>

#include "cleanup.h"

/* More is no size of anything, and not exact in every JSON reader. */
#define SIZE_TEXT_MAX (UINT64_C (1) << 53)

/* "1048576", "1024K", "1M", or with G or T (of 1024 each), up to SIZE_TEXT_MAX.
 * -EINVAL: TEXT is none of these. */
int size_parse (const char *text, uint64_t *size) WARN_UNUSED;

#endif
