/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For tests linked with -Wl,--wrap=full_pwrite: a write into a store is held in the middle.
 *
 * Threads: any. */
#ifndef PULLBACK_TEST_HELD_WRITE_H
#define PULLBACK_TEST_HELD_WRITE_H

/* The next write waits, and no other; to be called before it begins. */
void test_held_write_begin (void);

/* Returns when it waits. */
void test_held_write_wait (void);

/* It goes on. */
void test_held_write_end (void);

#endif
