/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A file that is there for as long as a guest may be frozen by us.  It is
 * written before the freeze and goes when the thaw is known, so that the next daemon
 * thaws where this one and pullback-quiesce have both been killed.  Threads: any. */
#ifndef PULLBACK_QUIESCE_JOURNAL_H
#define PULLBACK_QUIESCE_JOURNAL_H

#include "failure.h"

/* QEMU: the process that the guest runs in, as in qmp_boot_id. */
int quiesce_journal_write (const char *path, const char *agent, const char *qemu,
                           struct failure *why) WARN_UNUSED;

/* What was said, a new string; NULL: there is no file, or it cannot be read. */
char *quiesce_journal_agent (const char *path) WARN_UNUSED;
char *quiesce_journal_qemu (const char *path) WARN_UNUSED;

/* Also when there is none. */
void quiesce_journal_remove (const char *path);

#endif
