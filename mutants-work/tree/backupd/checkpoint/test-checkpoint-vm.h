/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A QEMU with two disks, 0 (vda, raw) and 1 (drive0, qcow2), the checkpoints in
 * it, and the truth about them: a list of writes. */
#ifndef PULLBACK_TEST_CHECKPOINT_VM_H
#define PULLBACK_TEST_CHECKPOINT_VM_H

#include "checkpoint.h"
#include "test-qmp-vm.h"
#include "test-qmp.h"

extern struct checkpoint_domain domain;

void bench_open (void);
void bench_close (void);

const char *node_of (int disk);

/* Each after one write to each disk, so that no two moments are alike. */
void create (const char *name, const char *const *disks, size_t n);
void delete_one (const char *name);
void delete_tree (const char *name, bool children, bool children_only);
/* For chains that are broken on purpose: the truth says nothing of it. */
void delete_unchecked (const char *name);

void write_both (void);
void forget (const char *name);
void forget_all (void);

/* By QMP, behind the back of what is tested. */
void remove_bitmap (int disk, const char *name);
void merge_by_hand (int disk, const char *from, const char *to);
bool is_recording (int disk, const char *name);

/* Every bitmap of every disk has what the truth says, and none is there
 * besides. */
void check_all (void);

/* BITMAP has all that was written to DISK since checkpoint SINCE. */
void check_range (int disk, const char *bitmap, const char *since);

#endif
