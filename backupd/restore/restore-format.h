/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Formats of images: what the header says, and what qemu-img says.
 *
 * The format is always given.  A guest writes what it likes to the beginning of a raw disk,
 * also the header of an image whose backing file is a file of the host.
 *
 * Threads: any. */
#ifndef PULLBACK_RESTORE_FORMAT_H
#define PULLBACK_RESTORE_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include <json-c/json.h>

#include "failure.h"

/* Can images of it be restored to?  The sentence names those that can. */
int restore_format_check (const char *format, struct failure *why) WARN_UNUSED;

/* Does the header of what FD, called PATH, is open on fit to FORMAT?  Raw is what has no
 * header. */
int restore_format_compare (int fd, const char *path, const char *format, struct failure *why) WARN_UNUSED;

/* What qemu-img says of the image that FD, called PATH, is open on, read as FORMAT and without its
 * backing file: an object that json_object_put frees. */
int restore_format_info (int fd, const char *path, const char *format,
                         json_object **info, struct failure *why) WARN_UNUSED;

/* Makes the file that FD, called PATH, is open on an image of SIZE bytes; OPTIONS are "KEY=VALUE",
 * NULL ends them, may be NULL.  Takes as long as a preallocation does. */
int restore_format_create (int fd, const char *path, const char *format, uint64_t size,
                           const char *const *options, struct failure *why) WARN_UNUSED;

#endif
