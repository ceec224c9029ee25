/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A domain that is libvirt's: its session, and what libvirt says of it.  The domain's thread
 * only, but for domain_libvirt_show.  Of other domains these do nothing, and succeed. */
#ifndef PULLBACK_DOMAIN_LIBVIRT_H
#define PULLBACK_DOMAIN_LIBVIRT_H

#include "domain.h"

bool domain_libvirt_is (const struct domain *domain);

/* A session, as libvirt_link_open has it, with the virtual machine that domain-add has found, or, for
 * that, by the name which it was given. */
int domain_libvirt_open (struct domain *domain, int timeout_ms, struct qmp **qmp,
                         struct failure *why) WARN_UNUSED;

/* Reads domain->live_xml anew.  There must be a session. */
int domain_libvirt_describe (struct domain *domain, struct failure *why) WARN_UNUSED;

/* Adds to SUMMARY what libvirt has of its own: "libvirt-checkpoints" and "libvirt-snapshots", with
 * "libvirt-left-out", a number, if there are more; or "libvirt-unknown", a sentence.  Waits for libvirt for
 * some seconds at most. */
void domain_libvirt_show_names (struct domain *domain, json_object *summary);

/* Did libvirt say that it does not run, or that there is no such machine? */
bool domain_libvirt_is_off (struct domain *domain);

/* libvirt says that it is in STATE, and is called NAME (NULL: not known) there.  From any thread. */
void domain_libvirt_note (struct domain *domain, enum domain_state state, const char *name);

/* FORGOTTEN: libvirt takes it for off, or has none, though the QEMU of its backup runs. */
void domain_libvirt_note_forgotten (struct domain *domain, bool forgotten);

/* The sentence for that; NULL: it is not so. */
const char *domain_libvirt_forgotten (const struct domain *domain);

/* Adds to SUMMARY what is known.  From any thread. */
void domain_libvirt_show (struct domain *domain, json_object *summary);

#endif
