/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the tests of targets have in common: a folder, a shell in it, targets there. */
#ifndef PULLBACK_TEST_RESTORE_H
#define PULLBACK_TEST_RESTORE_H

#include <stdbool.h>

#include "failure.h"
#include "restore-target.h"

#define DEADLINE_MS 60000
#define MIB (UINT64_C (1) << 20)

#define SPEC(...) ((struct restore_target_spec) { __VA_ARGS__ })
#define NEW(bytes, ...) SPEC (.create = true, .size = bytes, __VA_ARGS__)

extern char folder[];
extern struct failure why;      /* of the last target that was opened */

void test_begin (const char *name);
/* Nothing may be left in the folder. */
void test_end (void);

/* Free with g_free. */
char *in_folder (const char *name);
bool exists (const char *name);

/* The status of a shell in the folder; its output is in the file "out". */
int shell (const char *format, ...) __attribute__ ((format (printf, 1, 2)));
/* It said TEXT. */
bool said (const char *text);

/* Of a target NAME in the folder; a raw one of restore web1 where SPEC does not say. */
int try (struct restore_target_spec spec, const char *name, struct restore_target **target);
struct restore_target *open_target (struct restore_target_spec spec, const char *name);
/* It is refused, by a sentence that has WHAT in it. */
void refused (struct restore_target_spec spec, const char *name, const char *what);

#endif
