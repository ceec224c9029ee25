/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The QMP functions that checkpoints are made with, on two disks d0 and d1 of a QEMU
 * that is made up.  Every disk is written to before, between and after any two
 * actions, also of a transaction and of its undoing; nothing is drained. */
#ifndef PULLBACK_TEST_FAKE_QEMU_H
#define PULLBACK_TEST_FAKE_QEMU_H

#include <stdbool.h>
#include <stddef.h>

/* Writes, one bit each. */
typedef unsigned __int128 fake_set;

enum fake_trouble {
  FAKE_REFUSES,                 /* an action fails */
  FAKE_DIES                     /* the daemon does, as far as QEMU can tell */
};

void fake_reset (void);
void fake_write (void);
unsigned fake_writes (void);
/* All writes but the first N. */
fake_set fake_since (unsigned n);
fake_set fake_bits (const char *node, const char *bitmap);
void fake_record (const char *bitmap);

/* TROUBLE comes with action AT (refused), or before it: from then on no call works.
 * ON_DEATH is called at that moment.  In the middle of a transaction nobody dies. */
void fake_misbehave (enum fake_trouble trouble, size_t at, void (*on_death) (void));
void fake_behave (void);
/* Has it come; can it come with a later action? */
bool fake_met (void);
bool fake_is_later (void);

#endif
