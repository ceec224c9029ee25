/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mark: no-valgrind (it does not know pidfds) */
/* A real QEMU has the image, or wants it; so do mounts and loop devices. */
#include <config.h>

#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib.h>

#include "deadline.h"
#include "process-spawn.h"
#include "test-restore.h"

/* --- locks --------------------------------------------------------------------------------- */

/* A program, which has the file open until it is told to go: when it has answered to SAY
 * with ANSWER. */
static pid_t
start_qemu (const char *program, const char *say, const char *answer,
            int *stdin_fd)
{
  g_autofree char *command = g_strdup_printf ("cd %s && exec %s >ready 2>&1",
                                              folder, program);
  int64_t deadline = now_ms () + DEADLINE_MS;
  g_autofree char *ready = in_folder ("ready"), *text = NULL;
  int fds[2];
  pid_t pid;

  (void) unlink (ready);
  assert (pipe2 (fds, O_CLOEXEC) == 0);
  pid = fork ();
  assert (pid >= 0);
  if (pid == 0) {
    dup2 (fds[0], STDIN_FILENO);
    execl ("/bin/sh", "sh", "-c", command, NULL);
    _exit (127);
  }
  close (fds[0]);
  assert (write (fds[1], say, strlen (say)) == (ssize_t) strlen (say));
  do {
    assert (ms_left (deadline) > 0);
    g_usleep (10000);
    g_clear_pointer (&text, g_free);
  } while (!g_file_get_contents (ready, &text, NULL, NULL) || strstr (text, answer) == NULL);
  *stdin_fd = fds[1];
  return pid;
}

static pid_t
start_qemu_io (const char *arguments, int *stdin_fd)
{
  g_autofree char *program = g_strconcat ("qemu-io ", arguments, NULL);

  return start_qemu (program, "length\n", "MiB", stdin_fd);
}

static void
end_qemu_io (pid_t pid, int stdin_fd)
{
  close (stdin_fd);
  assert (waitpid (pid, NULL, 0) == pid);
}

static void
test_qemu_has_it (void)
{
  static const char *const ways[] = {
    "-f raw disk", "-r -f raw disk", "-r -f qcow2 top", "-f qcow2 top",
    "--image-opts driver=raw,file.driver=file,file.filename=disk,file.locking=off"
  };

  for (size_t i = 0; i < G_N_ELEMENTS (ways); i++) {
    g_autofree char *name = NULL;
    int fd;
    pid_t pid;

    assert (shell ("truncate -s 1M disk; qemu-img create -q -f qcow2 -b disk "
                   "-F raw top") == 0);
    pid = start_qemu_io (ways[i], &fd);
    name = g_strdup_printf ("disk is in use by process %d (qemu-io)", (int) pid);
    refused (SPEC (.size = 0), "disk", name);
    end_qemu_io (pid, fd);
    restore_target_close (open_target (SPEC (.size = 0), "disk"));
  }
  assert (shell ("rm disk top ready") == 0);
}

/* One whose guest lets others write to its disk, too. */
static void
test_machine_has_it (void)
{
  g_autofree char *name = NULL;
  int fd;
  pid_t pid;

  assert (shell ("truncate -s 1M disk") == 0);
  pid = start_qemu ("qemu-system-x86_64 -S -accel tcg -nodefaults -display none "
                    "-monitor stdio -blockdev file,node-name=f,filename=disk "
                    "-device virtio-blk-pci,drive=f,share-rw=on",
                    "info status\n", "paused", &fd);
  name = g_strdup_printf ("in use by process %d (qemu-system", (int) pid);
  refused (SPEC (.size = 0), "disk", name);
  assert (write (fd, "quit\n", 5) == 5);
  end_qemu_io (pid, fd);
  restore_target_close (open_target (SPEC (.size = 0), "disk"));
  assert (shell ("rm disk ready") == 0);
}

static void
test_qemu_keeps_off (void)
{
  struct restore_target *target, *cow;

  assert (shell ("truncate -s 1M disk; qemu-img create -q -f qcow2 q 1M; "
                 "qemu-img create -q -f qcow2 -b disk -F raw top") == 0);
  target = open_target (SPEC (.size = 0), "disk");
  cow = open_target (SPEC (.format = "qcow2"), "q");
  refused (SPEC (.size = 0), "disk", "is in use by process");
  assert (shell ("qemu-io -f raw -c length disk") != 0);
  assert (said ("Failed to get") && said ("lock"));
  assert (shell ("qemu-io -r -f raw -c length disk") != 0 && said ("lock"));
  assert (shell ("qemu-img convert -f raw -O raw disk copy") != 0 && said ("lock"));
  assert (shell ("qemu-io -r -f qcow2 -c length top") != 0 && said ("lock"));
  assert (shell ("qemu-img info -f qcow2 q") != 0 && said ("lock"));
  assert (shell ("qemu-img info -U -f qcow2 q") == 0);
  assert (shell ("qemu-io -f qcow2 -c length q") != 0 && said ("lock"));
  restore_target_close (target);
  restore_target_close (cow);
  assert (shell ("qemu-io -f raw -c length disk && qemu-img info q") == 0);
  assert (shell ("rm -f disk q top copy") == 0);
}

/* Of an image's backing file, which others may read. */
static void
test_backing (void)
{
  struct restore_target *target, *base;
  int fd;
  pid_t pid;

  assert (shell ("truncate -s 1M disk; qemu-img create -q -f qcow2 -b disk "
                 "-F raw top") == 0);
  base = open_target (SPEC (.size = 0), "disk");
  refused (SPEC (.format = "qcow2"), "top", "disk, is being written by process");
  restore_target_close (base);
  pid = start_qemu_io ("-r -f raw disk", &fd);
  target = open_target (SPEC (.format = "qcow2"), "top");
  end_qemu_io (pid, fd);
  refused (SPEC (.size = 0), "disk", "is in use by process");
  assert (shell ("qemu-io -r -f raw -c length disk") == 0);
  assert (shell ("qemu-io -f raw -c length disk") != 0 && said ("lock"));
  restore_target_close (target);
  assert (shell ("rm disk top ready") == 0);
}

/* A child that was given the descriptor keeps the lock when we are gone. */
static void
test_child_keeps_the_lock (void)
{
  struct restore_target *target;
  char *const argv[] = { (char *) "sleep", (char *) "1000", NULL };
  struct process process;
  int fd;

  assert (shell ("truncate -s 1M disk") == 0);
  target = open_target (SPEC (.size = 0), "disk");
  fd = restore_target_lock_fd (target);
  assert (process_spawn (&(struct process_spec) {
                           .program = "sleep", .argv = argv,
                           .descriptors = (int[]) { PROCESS_NULL, PROCESS_NULL,
                                                    PROCESS_NULL, fd },
                           .n_descriptors = 4 }, &process) == 0);
  restore_target_close (target);
  refused (SPEC (.size = 0), "disk", "(sleep)");
  assert (kill (process.pid, SIGKILL) == 0);
  assert (process_wait (&process, now_ms () + DEADLINE_MS, NULL) == 0);
  restore_target_close (open_target (SPEC (.size = 0), "disk"));
  assert (shell ("rm disk") == 0);
}

/* --- block devices, small file systems ------------------------------------------------------ */

static char *
loop_device (const char *file)
{
  g_autofree char *path = in_folder ("out"), *out = NULL;

  if (geteuid () != 0 || shell ("losetup --show -P -f %s", file) != 0)
    return NULL;
  assert (g_file_get_contents (path, &out, NULL, NULL));
  return g_strdup (g_strstrip (out));
}

static void
try_device (const char *device)
{
  g_autofree char *relative = g_strconcat ("../..", device, NULL);
  struct restore_target *target = open_target (SPEC (.size = 0), relative);

  assert (restore_target_is_block (target) && !restore_target_is_new (target));
  assert (restore_target_size (target) == 8 * MIB);
  assert (g_str_has_prefix (restore_target_identity (target), "block:"));
  assert (restore_target_mark (target, &why) == 0);
  assert (restore_target_sync (target, &why) == 0);
  assert (restore_target_unmark (target, &why) == 0);
  assert (shell ("mount %s dir", device) != 0);
  refused (SPEC (.size = 0), relative, "is in use");
  restore_target_close (target);
  refused (SPEC (.size = 0), "image", "is in use by /dev/loop");
  assert (shell ("mount %s dir", device) == 0);
  refused (SPEC (.size = 0), relative, "it is mounted");
  assert (shell ("umount dir") == 0);
}

/* As a QEMU of libvirt has it, whose /dev is its own: no lock is in the way of the other's. */
static void
try_other_node (const char *device)
{
  g_autofree char *relative = g_strconcat ("../..", device, NULL), *name = NULL;
  struct restore_target *target;
  int fd;
  pid_t pid;

  if (shell ("mknod -m 600 node b $(stat -c '0x%%t 0x%%T' %s); : <node", device) != 0) {
    (void) shell ("rm -f node");
    fprintf (stderr, "no device nodes here: a second one is not tested\n");
    return;
  }
  assert (shell ("qemu-img create -q -f qcow2 -b $PWD/node -F raw top") == 0);
  pid = start_qemu_io ("-f qcow2 top", &fd);
  name = g_strdup_printf ("is in use by process %d (qemu-io)", (int) pid);
  refused (SPEC (.size = 0), relative, name);
  end_qemu_io (pid, fd);
  /* Who looks at it for a moment is waited for. */
  assert (shell ("exec 3<node; sleep 0.5 & exec 3<&-") == 0);
  target = open_target (SPEC (.size = 0), relative);
  assert (restore_target_check_alone (target, &why) == 0);
  pid = start_qemu_io ("-r -f raw node", &fd);
  assert (restore_target_check_alone (target, &why) == 0);
  end_qemu_io (pid, fd);
  pid = start_qemu_io ("-f raw node", &fd);
  g_free (name);
  name = g_strdup_printf ("by process %d (qemu-io) meanwhile", (int) pid);
  assert (restore_target_check_alone (target, &why) == -EBUSY);
  assert (strstr (why.text, name) != NULL);
  end_qemu_io (pid, fd);
  restore_target_close (target);
  /* A backing file is not to be written by others either. */
  assert (shell ("qemu-img create -q -f qcow2 -b %s -F raw top", device) == 0);
  pid = start_qemu_io ("-f raw node", &fd);
  refused (SPEC (.format = "qcow2"), "top", "is being written by process");
  end_qemu_io (pid, fd);
  restore_target_close (open_target (SPEC (.format = "qcow2"), "top"));
  assert (shell ("rm node top ready") == 0);
}

/* Attached by another path, that of a bind mount. */
static void
test_loop_by_another_path (void)
{
  g_autofree char *device = NULL;

  assert (shell ("mkdir here there; truncate -s 8M here/image") == 0);
  if (geteuid () == 0 && shell ("mount --bind here there") == 0) {
    device = loop_device ("there/image");
    if (device != NULL) {
      refused (SPEC (.size = 0), "here/image", device);
      assert (shell ("losetup -d %s", device) == 0);
      restore_target_close (open_target (SPEC (.size = 0), "here/image"));
    }
    assert (shell ("umount there") == 0);
  }
  assert (shell ("rm -r here there") == 0);
}

static void
test_block_device (void)
{
  g_autofree char *device = NULL;

  assert (shell ("mkdir dir; truncate -s 8M image") == 0);
  if (geteuid () == 0 && shell ("mkfs.ext4 -q image") == 0)
    device = loop_device ("image");
  if (device != NULL) {
    try_device (device);
    try_other_node (device);
    assert (shell ("losetup -d %s", device) == 0);
  }
  else
    fprintf (stderr, "no loop devices: block devices are not tested\n");
  assert (shell ("rm -r dir image") == 0);
}

int
main (void)
{
  test_begin ("test-restore-lock");
  test_qemu_has_it ();
  test_machine_has_it ();
  test_qemu_keeps_off ();
  test_backing ();
  test_child_keeps_the_lock ();
  test_block_device ();
  test_loop_by_another_path ();
  test_end ();
  return 0;
}
