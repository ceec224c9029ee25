/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Threads and errors as in qmp.h. */
#ifndef PULLBACK_QMP_FLASH_H
#define PULLBACK_QMP_FLASH_H

#include <stdbool.h>

#include "qmp.h"

/* Is the device QDEV, of struct qmp_disk, a memory that reads its image once, when QEMU starts (as
 * that of UEFI variables)?  False where QEMU does not say. */
bool qmp_flash_is (struct qmp *qmp, const char *qdev);

#endif
