/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The files of the fleece store of a disk (fleece-store.h).
 *
 *   FOLDER/DISK.data     sparse, same offsets as the disk
 *   MAPS/DISK.present    granule map: which granules of .data count
 *   MAPS/DISK.consumed   granule map: what clients have given back, and
 *   MAPS/DISK.counted    what of .data counts as used (fleece-consume.h); only of a
 *                        backup whose clients may give back
 *   MAPS/DISK@LABEL.dirty  granule map of an export bitmap (LABEL "dirty" for
 *                        the incremental; more labels for more checkpoints)
 *
 * DISK and LABEL are valid export names (base/name.h), thus valid file names.
 * MAPS may be FOLDER.  It should be in memory (tmpfs): "broken" must be told
 * even when FOLDER's file system hangs, where a store to a mapped page would
 * hang as well. */
#ifndef PULLBACK_FLEECE_FILES_H
#define PULLBACK_FLEECE_FILES_H

#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"

/* Creates both files for a disk of DISK_SIZE bytes; on failure none is left. */
int fleece_store_create (const char *folder, const char *maps, const char *disk,
                         uint64_t disk_size) WARN_UNUSED;

/* Path of DISK's data. */
int fleece_data_path (const char *folder, const char *disk, char *path,
                      size_t path_size) WARN_UNUSED;

/* Path of DISK's present map. */
int fleece_present_path (const char *maps, const char *disk, char *path,
                         size_t path_size) WARN_UNUSED;

/* In place of a store of DISK_SIZE bytes that is lost, whatever there is of it: one that is
 * broken with ERROR (rule B5).  Waits where FOLDER's storage hangs. */
int fleece_store_create_broken (const char *folder, const char *maps, const char *disk,
                                uint64_t disk_size, int error) WARN_UNUSED;

/* Creates the maps .consumed and .counted, all clear; on failure none is left. */
int fleece_consume_create (const char *maps, const char *disk, uint64_t disk_size) WARN_UNUSED;

/* Path of DISK's consumed map, and of its counted one. */
int fleece_consumed_path (const char *maps, const char *disk, char *path, size_t path_size) WARN_UNUSED;
int fleece_counted_path (const char *maps, const char *disk, char *path, size_t path_size) WARN_UNUSED;

/* Removes the files of DISK in FOLDER (missing ones are no error), its maps too. */
int fleece_store_remove (const char *folder, const char *disk) WARN_UNUSED;

/* Path of DISK's dirty map with LABEL. */
int fleece_dirty_path (const char *maps, const char *disk, const char *label,
                       char *path, size_t path_size) WARN_UNUSED;

#endif
