/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The programs test-qmp-real talks to, in a folder that is the current one.
 * All of them and all files go at exit. */
#ifndef PULLBACK_TEST_QMP_VM_H
#define PULLBACK_TEST_QMP_VM_H

#include <stdbool.h>
#include <sys/types.h>

#define VM_DISK_SIZE (16 << 20)

#define VM_RUN(...) vm_run_program ((char *[]) { __VA_ARGS__, NULL })
#define VM_START(...) vm_start_daemon ((char *[]) { __VA_ARGS__, NULL })

bool vm_is_installed (const char *program);
void vm_make_images (void);
void vm_wait_for_file (const char *path);

void vm_run_program (char *const *argv);
pid_t *vm_start_daemon (char *const *argv);
pid_t *vm_start_target (void);
pid_t *vm_start_qemu (void);
void vm_end_child (pid_t *pid);
void vm_end_children (void);

#endif
