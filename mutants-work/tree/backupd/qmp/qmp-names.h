/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a backup calls its nodes, jobs, exports and temporary bitmaps in QEMU:
 *
 *   pullback-TAG-WHATn      pullback-5e1f03a7-sink0
 *
 * TAG is random and of one backup: several daemons, and several domains of one
 * daemon, may share a QEMU, and an undo touches nothing but what is its own.
 * Node names have at most 31 bytes, so n is a disk's index and not its name.
 * Journals from before there were tags have the empty tag: pullback-WHATn.
 *
 * Threads: any. */
#ifndef PULLBACK_QMP_NAMES_H
#define PULLBACK_QMP_NAMES_H

#include <stdbool.h>

#define QMP_TAG_SIZE 9       /* eight hex digits and the end */
#define QMP_NAME_SIZE 32

void qmp_tag_make (char tag[QMP_TAG_SIZE]);
bool qmp_tag_is_valid (const char *tag);

void qmp_name (char name[QMP_NAME_SIZE], const char *tag, const char *what, unsigned n);

/* Is NAME of the backup with TAG, and a WHAT? */
bool qmp_name_is (const char *name, const char *tag, const char *what);

/* Is NAME of any backup of pullback, whoever runs it? */
bool qmp_name_is_ours (const char *name);

#endif
