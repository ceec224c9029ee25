/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One disk's share in making and dropping a checkpoint. */
#ifndef PULLBACK_CHECKPOINT_CHAIN_H
#define PULLBACK_CHECKPOINT_CHAIN_H

#include "checkpoint.h"

/* Was C made in another virtual machine than the one that says UUID (rule C7)?  "" in
 * C: not known, and not held against it. */
bool checkpoint_is_foreign (const struct checkpoint *c, const char *uuid);

/* Where the bitmap that goes by the name of C's is on LIVE, as checkpoint_disks_layer tells it.
 * libvirt gives an overlay one of the same name, so of several the lowest is the one that has
 * recorded longest, and it alone counts (rule C11). */
int checkpoint_layer (const struct checkpoint *c, const struct qmp_disk *live,
                      const struct qmp_bitmap **bitmap);

/* Was C made of another image than the one LIVE has at LAYER, or, in another QEMU, of one
 * that cannot be compared?  Disks can be swapped under their names, and bitmaps of one
 * checkpoint have one name on all. */
bool checkpoint_is_of_other_image (const struct checkpoint *c, const struct qmp_disk *live, int layer);

/* Can it be told which image C, which covers LIVE, was made of, and which are below LIVE?  If
 * not, no bitmap is believed to be C's for what it says. */
bool checkpoint_image_is_known (const struct checkpoint *c, const struct qmp_disk *live);

/* Is BITMAP on LIVE, by its name C's, one that somebody made in a later QEMU? */
bool checkpoint_is_somebody_elses (const struct checkpoint *c, const struct qmp_disk *live,
                                   const struct qmp_bitmap *bitmap);

/* The bitmap of C on the active image of LIVE, whatever has become of it; NULL: it is not
 * there.  Both may be NULL. */
const struct qmp_bitmap *checkpoint_own_bitmap (const struct checkpoint *c, const struct qmp_disk *live);

/* The same if changes can be read from it; else NULL. */
const struct qmp_bitmap *checkpoint_sound_bitmap (const struct checkpoint *c, const struct qmp_disk *live);

/* The disk of ENTRY, of C, in DISKS; NULL where it is not there, another image is, or it
 * is read-only, as QEMU changes no bitmap then. */
const struct qmp_disk *checkpoint_live_disk (const struct checkpoint *c,
                                             const struct checkpoint_disk *entry,
                                             const struct qmp_disks *disks);

/* In the name of a tentative checkpoint that waits for its disks, to be merged back. */
#define CHECKPOINT_KEPT ".unplugged-"
bool checkpoint_is_kept (const struct checkpoint *c);

/* Is the bitmap of ENTRY, of C, on an image below the active one in DISKS, where QEMU changes
 * none, and kept there until that is the active one again?  That of one which is kept
 * already, and is to be deleted, is not. */
bool checkpoint_waits_below (const struct checkpoint *c, const struct checkpoint_disk *entry,
                             const struct qmp_disks *disks);

/* For a new checkpoint of LIVE: the bitmap that records until then (NULL: none;
 * borrowed from CATALOG), and whether the new one has no sound predecessor. */
void checkpoint_find_previous (const struct catalog *catalog, const struct qmp_disk *live,
                               const char *uuid, const char **previous, bool *gap_before);

/* Before C, tentative or with an intent, goes: writes down all gaps that its going
 * leaves.  A bitmap that is missing without being marked lost has been merged, unless it
 * was waited for: somebody may have removed it meanwhile. */
int checkpoint_drop_mark (struct catalog *catalog, const struct checkpoint *c,
                          const struct qmp_disks *live, struct failure *why) WARN_UNUSED;

/* The bitmap that the changes in ENTRY's, of C, can be handed to: that of the nearest
 * older checkpoint of the disk.  NULL: there is none, or one of both is not sound.
 * Borrowed from CATALOG. */
const char *checkpoint_merge_target (const struct catalog *catalog, const struct checkpoint *c,
                                     const struct checkpoint_disk *entry,
                                     const struct qmp_disk *live);

#endif
