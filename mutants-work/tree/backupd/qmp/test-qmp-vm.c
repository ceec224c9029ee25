/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "deadline.h"
#include "full-io.h"
#include "test-qmp-vm.h"
#include "test-qmp.h"

static char folder[] = "/tmp/test-qmp-real-XXXXXX";
static pid_t children[8];
static size_t n_children;

void
vm_end_child (pid_t *pid)
{
  if (*pid > 0) {
    kill (*pid, SIGKILL);
    waitpid (*pid, NULL, 0);
  }
  *pid = 0;
}

void
vm_end_children (void)
{
  while (n_children > 0)
    vm_end_child (&children[--n_children]);
}

static void
clean_up (void)
{
  static const char *const names[] = {
    "raw.img", "old.qcow2", "new.qcow2", "base.qcow2", "qmp.sock",
    "other.sock", "fake.sock", "nbd.sock", "target.sock", "log"
  };
  char path[256];
  size_t i;

  vm_end_children ();
  for (i = 0; i < sizeof names / sizeof names[0]; i++) {
    snprintf (path, sizeof path, "%s/%s", folder, names[i]);
    unlink (path);
  }
  rmdir (folder);
}

/* Starts a program in the test's folder. */
static pid_t
start (char *const *argv)
{
  pid_t pid = fork ();
  int fd;

  CHECK (pid >= 0);
  if (pid == 0) {
    fd = open ("log", O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2 (fd, STDOUT_FILENO);
    dup2 (fd, STDERR_FILENO);
    execvp (argv[0], argv);
    _exit (127);
  }
  return pid;
}

pid_t *
vm_start_daemon (char *const *argv)
{
  size_t i;

  for (i = 0; i < n_children && children[i] > 0; i++)
    ;
  CHECK (i < sizeof children / sizeof children[0]);
  children[i] = start (argv);
  if (i == n_children)
    n_children++;
  return &children[i];
}

void
vm_run_program (char *const *argv)
{
  pid_t pid = start (argv);
  int status;

  CHECK (waitpid (pid, &status, 0) == pid);
  CHECK (WIFEXITED (status) && WEXITSTATUS (status) == 0);
}

bool
vm_is_installed (const char *program)
{
  char command[128];

  snprintf (command, sizeof command, "command -v %s >/dev/null", program);
  return system (command) == 0;
}

void
vm_wait_for_file (const char *path)
{
  int64_t deadline_ms = now_ms () + 20000;

  while (access (path, F_OK) < 0) {
    CHECK (ms_left (deadline_ms) > 0);
    poll (NULL, 0, 10);
  }
}

/* A guest of 16 bytes that writes sector 2 of its disk for ever. */
static const unsigned char boot_code[] = {
  0xb8, 0x01, 0x03,             /* mov ax, 0301h: write one sector */
  0xb9, 0x02, 0x00,             /* mov cx, 2 */
  0xba, 0x80, 0x00,             /* mov dx, 80h */
  0xbb, 0x00, 0x7c,             /* mov bx, 7c00h */
  0xcd, 0x13,                   /* int 13h */
  0xeb, 0xf0                    /* jmp to the start */
};

void
vm_make_images (void)
{
  int fd;

  CHECK (mkdtemp (folder) != NULL && chdir (folder) == 0);
  atexit (clean_up);
  fd = open ("raw.img", O_RDWR | O_CREAT, 0600);
  CHECK (fd >= 0 && ftruncate (fd, VM_DISK_SIZE) == 0);
  CHECK (full_pwrite (fd, boot_code, sizeof boot_code, 0) == 0);
  CHECK (full_pwrite (fd, "\x55\xaa", 2, 510) == 0);
  close (fd);
  VM_RUN ("qemu-img", "create", "-q", "-f", "qcow2", "base.qcow2", "16M");
  VM_RUN ("qemu-img", "create", "-q", "-f", "qcow2", "-b", "base.qcow2", "-F",
       "qcow2", "new.qcow2");
  VM_RUN ("qemu-img", "create", "-q", "-f", "qcow2", "-o", "compat=0.10",
       "old.qcow2", "16M");
}

pid_t *
vm_start_target (void)
{
  pid_t *pid;

  unlink ("target.sock");
  pid = VM_START ("nbdkit", "-f", "-U", "target.sock", "memory", "16M");
  vm_wait_for_file ("target.sock");
  return pid;
}

pid_t *
vm_start_qemu (void)
{
  unlink ("qmp.sock");
  return VM_START ("qemu-system-x86_64", "-nodefaults", "-display", "none", "-S", "-M",
         "pc,accel=tcg", "-m", "32", "-qmp", "unix:qmp.sock,server=on,wait=off",
         "-qmp", "unix:other.sock,server=on,wait=off",
         "-blockdev", "{\"driver\":\"raw\",\"node-name\":\"raw-node\",\"cache\":"
         "{\"direct\":false},\"file\":{\"driver\":\"file\",\"filename\":"
         "\"raw.img\"}}", "-device", "virtio-blk-pci,drive=raw-node,id=vda",
         "-drive", "if=none,id=drive0,file=new.qcow2,format=qcow2",
         "-device", "virtio-blk-pci,drive=drive0",
         "-blockdev", "qcow2,node-name=old-node,read-only=on,file.driver=file,"
         "file.filename=old.qcow2", "-device", "virtio-blk-pci,drive=old-node",
         "-device", "virtio-scsi-pci", "-device", "scsi-cd,id=cd0",
         "-uuid", "12345678-1234-1234-1234-123456789abc");
}
