/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The images of a qcow2 disk, which the view maps itself: those that QEMU has open, in the
 * order in which QEMU has them, as files that are open here. */
#ifndef PULLBACK_BACKUP_CHAIN_H
#define PULLBACK_BACKUP_CHAIN_H

#include "backup-model.h"

/* Opens those of DISK, which is LIVE in QEMU, into its list.  False, with the reason in the log and
 * the list empty, where one of them cannot be had or cannot be mapped. */
bool backup_chain_open (const struct backup *backup, struct backup_disk *disk,
                        const struct qmp_disk *live);

/* Of a disk whose one image is raw, and opened: notes whose it is, if QEMU tells. */
void backup_chain_note_raw (const struct backup *backup, struct backup_disk *disk);

/* Has any of them clusters that are read through QEMU, such as compressed ones (rule D2)?  1, 0
 * or -errno. */
int backup_chain_needs_qemu (const struct backup_disk *disk) WARN_UNUSED;

/* Does the view read DISK by tables that QEMU writes? */
bool backup_chain_has_tables (const struct backup_disk *disk);

/* Adds to ARGUMENTS the plugin's key for them; the rest as struct backup_base's tell. */
void backup_chain_tell (const struct backup_disk *disk, GPtrArray *arguments, GArray *descriptors,
                        unsigned first);

/* As struct backup_base's. */
char *backup_chain_problem (const struct backup *backup, const struct backup_disk *disk);

#endif
