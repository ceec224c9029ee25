/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The checkpoints of one domain, on disk.
 *
 * One libvirt-style <domaincheckpoint> file per checkpoint,
 * FOLDER/NAME.xml, replaced atomically and synced.  What libvirt's format has no
 * word for is in the metadata of its domain (state, consumer, source); see catalog-document.h.
 *
 * Rule C3: catalog_add before the bitmaps are made, catalog_remove after they
 * are gone.  The order of checkpoints is that of their parent links.
 *
 * Threads: one at a time; the domain's thread owns it. */
#ifndef PULLBACK_CATALOG_H
#define PULLBACK_CATALOG_H

#include "catalog-checkpoint.h"
#include "failure.h"

struct catalog;

/* Loads every file of FOLDER (created if missing).  A file that cannot be
 * read as a checkpoint fails with a sentence that names it. */
int catalog_open (const char *folder, struct catalog **catalog, struct failure *why) WARN_UNUSED;

/* The same of one that somebody else owns and may be changing: nothing is created or removed, and it
 * must not be changed.  -ENOENT, also where there is no such folder. */
int catalog_read (const char *folder, struct catalog **catalog, struct failure *why) WARN_UNUSED;
void catalog_close (struct catalog *catalog);

/* Number of checkpoints, and the I-th, oldest first (parents before
 * children).  Borrowed until the catalog changes. */
size_t catalog_count (const struct catalog *catalog);
const struct checkpoint *catalog_at (const struct catalog *catalog, size_t i);
const struct checkpoint *catalog_find (const struct catalog *catalog, const char *name);

/* The newest checkpoint (the leaf); NULL if there is none. */
const struct checkpoint *catalog_newest (const struct catalog *catalog);

/* The newest checkpoint at or before BEFORE (exclusive; NULL = after all) that covers DISK. */
const struct checkpoint *catalog_newest_of_disk (const struct catalog *catalog, const char *disk,
                                                 const struct checkpoint *before);

/* The oldest checkpoint after AFTER that covers DISK. */
const struct checkpoint *catalog_next_of_disk (const struct catalog *catalog, const char *disk,
                                               const struct checkpoint *after);

/* Is ANCESTOR the parent of C, or that one's, and so on? */
bool catalog_descends (const struct catalog *catalog, const struct checkpoint *c,
                       const struct checkpoint *ancestor);

/* Adds a copy of C, durable when it returns.  FAILURE_EXISTS. */
int catalog_add (struct catalog *catalog, const struct checkpoint *c, struct failure *why) WARN_UNUSED;
int catalog_set_state (struct catalog *catalog, const char *name, enum checkpoint_state state,
                       struct failure *why) WARN_UNUSED;

/* A delta never lies: sets gap_before of DISK in checkpoint NAME if GAP, and lost if LOST
 * is not NULL.  Durable when it returns; nothing is written if that changes nothing. */
int catalog_mark_disk (struct catalog *catalog, const char *name, const char *disk, bool gap,
                       const char *lost, struct failure *why) WARN_UNUSED;

/* Adds a copy of C, or replaces the checkpoint of that name, whose children stay its own.
 * CHECK (may be NULL) is shown the catalog as it would be; if it fails, or C's
 * parent is not there or descends from C, nothing is changed or written. */
typedef int (*catalog_check_fn) (const struct catalog *catalog, const struct checkpoint *c,
                                 void *opaque, struct failure *why);
int catalog_put (struct catalog *catalog, const struct checkpoint *c, catalog_check_fn check,
                 void *opaque, struct failure *why) WARN_UNUSED;

/* Removes it; its children are given its parent.  Missing: success. */
int catalog_remove (struct catalog *catalog, const char *name, struct failure *why) WARN_UNUSED;

#endif
