/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* May a disk be read directly from its image file? */
#ifndef PULLBACK_BACKUP_IMAGE_H
#define PULLBACK_BACKUP_IMAGE_H

#include <sys/types.h>

#include "qmp-block.h"

/* The path of the raw image or block device that holds DISK's bytes at the
 * disk's own offsets, if we can open it and it is the very file that process
 * QEMU_PID holds open; NULL otherwise (relay then).  Free with g_free. */
char *backup_image_direct (const struct qmp_disk *disk, pid_t qemu_pid);

#endif
