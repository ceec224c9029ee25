/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What all backups of a host together have stored, and how much that may be: a file
 * that all their sinks map.  The daemon only opens and closes accounts in it, so
 * the limit holds while it is dead.
 *
 *   FOLDER/.scratch-ledger    266240 bytes, little-endian:
 *      0  magic "PULLBKSL"
 *      8  u32 version (1)
 *     12  u32 feature bits (0; an unknown bit refuses to open)
 *     16  u64 the limit in bytes
 *     24  u64 accounts from this number on were never open
 *   4096  1024 accounts of 256 bytes: u64 bytes stored; at 8 the name of whose it is,
 *         with a NUL; an empty one: the account is closed
 *
 * A word per backup rather than one sum: what a backup that ended had is gone with
 * its account, whenever who died, and closing it twice is the same as once.
 *
 * To store, a sink first adds to its own account, then sums all up: of two that do so
 * at once, and together exceed the limit, at least one sees both.  Those additions
 * and loads are in one order for all (counter-atomic.h).
 *
 * Accounts are opened and closed under a lock of the file; the last one removes it, as does
 * whoever finds that it is none (a power cut leaves anything). */
#ifndef PULLBACK_SCRATCH_LEDGER_H
#define PULLBACK_SCRATCH_LEDGER_H

#include <stdint.h>

#include "cleanup.h"

#define SCRATCH_ACCOUNTS 1024u

struct scratch_ledger;

/* Opens the account of NAME (at most 200 bytes) in FOLDER, or finds it, empties it,
 * and sets the LIMIT, for all, in bytes.  Returns its number; -EDQUOT where nothing is left of the limit,
 * -EUSERS where all accounts are open. */
int scratch_ledger_enter (const char *folder, const char *name, uint64_t limit) WARN_UNUSED;

/* Closes the account of NAME.  None is no error. */
int scratch_ledger_leave (const char *folder, const char *name) WARN_UNUSED;

int scratch_ledger_open (const char *folder, struct scratch_ledger **ledger) WARN_UNUSED;
void scratch_ledger_close (struct scratch_ledger *ledger);

/* Takes BYTES for ACCOUNT.  -EDQUOT: all together would exceed the limit; then nothing
 * is taken.  Never waits. */
int scratch_ledger_take (struct scratch_ledger *ledger, unsigned account, uint64_t bytes) WARN_UNUSED;

/* BYTES of ACCOUNT were taken before it was opened: they count, whatever the limit. */
void scratch_ledger_resume (struct scratch_ledger *ledger, unsigned account, uint64_t bytes);

/* Never below 0: what one account gives, no other has. */
void scratch_ledger_give (struct scratch_ledger *ledger, unsigned account, uint64_t bytes);

/* Of all accounts. */
uint64_t scratch_ledger_used (const struct scratch_ledger *ledger);
uint64_t scratch_ledger_limit (const struct scratch_ledger *ledger);

#endif
