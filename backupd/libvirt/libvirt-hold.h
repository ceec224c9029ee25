/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When QEMU is not to be asked.  A backup of libvirt's (virsh backup-begin) that QEMU
 * refuses is taken back by libvirt 9.0 as if nobody else had its monitor: a command that comes
 * just then crashes libvirtd (qemuBackupDiskDataCleanupOne), which takes the machine for shut
 * off when it is started again.
 *
 * A command that libvirt was given before that is carried out while it waits for its scratch files.
 * Where it has none made (VIR_DOMAIN_BACKUP_BEGIN_REUSE_EXTERNAL, raw targets) one that it is given
 * in the very moment in which it begins may still meet the taking back. */
#ifndef PULLBACK_LIBVIRT_HOLD_H
#define PULLBACK_LIBVIRT_HOLD_H

#include <stdbool.h>

#include <json-c/json.h>

/* An event of QEMU; DATA may be NULL.  Any thread. */
void libvirt_hold_note (const char *event, json_object *data);

/* Is libvirt beginning a backup?  FILE is its own file of the machine; where it cannot be read,
 * the events of the last 2 s tell, and IS_AT_WORK, which asks libvirt whether it is at work on the
 * machine, or has a backup, and is called only where there may be one.  One thread. */
bool libvirt_hold_is_due (const char *file, bool (*is_at_work) (void *opaque), void *opaque);

/* Has libvirt a backup in pull mode, of any disk?  As its jobs end, libvirt tells QEMU once for each
 * of them to stop its NBD server, whosever that is by then: exports would go, and QEMU hangs for ever
 * where a client is in its handshake.  FILE as above; false where it cannot be read.  Any thread. */
bool libvirt_hold_has_pull (const char *file);

#endif
