/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Between pullback-libvirt and the daemon: QMP, of which these parts are not QEMU's.
 *
 * First the program says one of
 *
 *   {"QMP": {"capabilities": []}, "domain": {"uuid", "name", "id", "pid", "folder"?}}
 *   {"error": {"class", "desc", "errno": NUMBER}, "domain": {"uuid", "name"}?}
 *
 * uuid and name are libvirt's; id is that of this run; pid is QEMU's process; folder is where
 * libvirt lets QEMU make and reach sockets.  The error is of libvirt_machine_open, after which the
 * program ends.
 *
 * Then it carries out commands, one after the other.  What was not carried out and
 * will not be, as QEMU does not answer, gets {"unsent": true, "id": ID}; where that is because of
 * others (libvirt-admission.h), also "busy": a sentence. */
#ifndef PULLBACK_LIBVIRT_GREETING_H
#define PULLBACK_LIBVIRT_GREETING_H

/* A command that QEMU does not know: returns {"xml": TEXT}, libvirt's <domain> as it is now. */
#define LIBVIRT_DESCRIBE "pullback-describe-domain"

#endif
