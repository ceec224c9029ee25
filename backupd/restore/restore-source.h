/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The backup that an instant restore shows at once: an image of this host, with its backing
 * files, or an export of an NBD server.  It is read and never written: files are opened
 * read-only, and locked as QEMU locks backing files, so that no QEMU writes to them meanwhile.
 *
 * What it is must not change as long as some of it is read: of files that is seen by size and time
 * of modification, of block devices and exports by the size.
 *
 * Threads: any; of one source, one at a time. */
#ifndef PULLBACK_RESTORE_SOURCE_H
#define PULLBACK_RESTORE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include "failure.h"

struct restore_source;

/* TEXT is an absolute path, and FORMAT what the file is; or an NBD URI, and FORMAT NULL or "raw".
 * Opens nothing. */
int restore_source_create (const char *text, const char *format, struct restore_source **source,
                           struct failure *why) WARN_UNUSED;
void restore_source_destroy (struct restore_source *source);

/* Opens and locks it, or looks whether the server has it, within TIMEOUT_MS; of one that has been open
 * before, or comes from a record, it must be what it was then.  OF is the image it is for, FOLDERS (NULL
 * ends them; NULL: any) where its files must be. */
int restore_source_open (struct restore_source *source, const char *of, const char *const *folders,
                         int timeout_ms, struct failure *why) WARN_UNUSED;
/* Nothing of it is open any more; what it was stays known. */
void restore_source_close (struct restore_source *source);

/* Is it what it was when it was first opened?  What is not open says nothing.  Needs no storage that answers but for the
 * files' inodes. */
int restore_source_check (const struct restore_source *source, struct failure *why) WARN_UNUSED;

const char *restore_source_text (const struct restore_source *source);
const char *restore_source_format (const struct restore_source *source);
/* Bytes; 0: it was never open. */
uint64_t restore_source_size (const struct restore_source *source);

/* The files, the image first, each with the next as its backing file; 0: it is an export. */
size_t restore_source_n_files (const struct restore_source *source);
int restore_source_fd (const struct restore_source *source, size_t i);
const char *restore_source_fd_format (const struct restore_source *source, size_t i);

/* QEMU's node of an export, without a name: new.  NULL: it is a file. */
json_object *restore_source_node (const struct restore_source *source);

/* What a journal keeps, new; and of that. */
json_object *restore_source_record (const struct restore_source *source);
int restore_source_from_record (json_object *record, struct restore_source **source) WARN_UNUSED;

#endif
