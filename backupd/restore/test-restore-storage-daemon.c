/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mark: no-valgrind (it does not know pidfds) */
/* Images that are written through a real qemu-storage-daemon. */
#include <config.h>

#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>
#include <libnbd.h>

#include "deadline.h"
#include "process-listen.h"
#include "restore-storage-daemon.h"
#include "test-restore.h"

static char *monitor, *nbd_socket;
static const char *const disks[] = { "vda", "v.b" };

static int64_t
soon (void)
{
  return now_ms () + DEADLINE_MS;
}

static struct process_child *
start (struct restore_target **targets, size_t n)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GArray) fds = g_array_new (FALSE, FALSE, sizeof (int));
  struct restore_storage_export exports[2];
  struct process_child *child;
  int fd;

  for (size_t i = 0; i < n; i++)
    exports[i] = (struct restore_storage_export) { disks[i], targets[i], NULL };
  restore_storage_daemon_arguments (exports, n, monitor, argv, fds);
  g_ptr_array_add (argv, NULL);
  assert (process_listen_unix (nbd_socket, getuid (), getgid (), &fd,
                               &why) == 0);
  assert (process_child_start (&(struct process_child_spec) {
                                 .role = "storage", .listen_fd = fd,
                                 .argv = (char *const *) argv->pdata,
                                 .more_fds = (const int *) (void *) fds->data,
                                 .n_more_fds = fds->len, .once = true
                               }, &child, &why) == 0);
  return child;
}

static void
stop (struct process_child *child)
{
  process_child_stop (child);
  assert (unlink (nbd_socket) == 0);
  (void) unlink (monitor);
}

static struct nbd_handle *
client (const char *disk)
{
  struct nbd_handle *nbd = nbd_create ();

  assert (nbd != NULL && nbd_set_export_name (nbd, disk) == 0);
  assert (nbd_connect_unix (nbd, nbd_socket) == 0);
  return nbd;
}

static void
leave (struct nbd_handle *nbd)
{
  assert (nbd_shutdown (nbd, 0) == 0);
  nbd_close (nbd);
}

static blkcnt_t
blocks (const char *name)
{
  g_autofree char *path = in_folder (name);
  struct stat st;

  assert (stat (path, &st) == 0);
  return st.st_blocks;
}

static int
finish (struct process_child *child, size_t n)
{
  why = (struct failure) { .error = 0 };
  return restore_storage_daemon_finish (child, nbd_socket, disks, n, soon (),
                                        &why);
}

/* Two disks of different formats, and all that a client may ask. */
static void
test_written (void)
{
  struct restore_target *targets[2];
  struct process_child *child;
  struct nbd_handle *nbd;
  char bytes[4096];
  g_autofree char *big = g_malloc (MIB);
  blkcnt_t before;

  memset (big, 'b', MIB);
  memset (bytes, 'x', sizeof bytes);
  targets[0] = open_target (NEW (8 * MIB, .format = "qcow2"), "new");
  assert (shell ("qemu-img create -q -f vdi old 8M") == 0);
  targets[1] = open_target (SPEC (.format = "vdi"), "old");
  child = start (targets, 2);
  assert (restore_storage_daemon_wait (child, nbd_socket, soon (), &why) == 0);
  nbd = client (disks[1]);
  assert (nbd_get_size (nbd) == (int64_t) (8 * MIB));
  assert (nbd_pwrite (nbd, bytes, sizeof bytes, 4096, 0) == 0);
  leave (nbd);
  nbd = client (disks[0]);
  assert (nbd_get_size (nbd) == (int64_t) (8 * MIB));
  assert (nbd_is_read_only (nbd) == 0 && nbd_can_flush (nbd) == 1 &&
          nbd_can_fua (nbd) == 1 && nbd_can_trim (nbd) == 1 &&
          nbd_can_zero (nbd) == 1);
  before = blocks (".new.pullback-web1");
  for (int i = 0; i < 2; i++) {
    assert (nbd_pwrite (nbd, big, MIB, MIB, 0) == 0);
    assert (nbd_flush (nbd, 0) == 0);
    assert (blocks (".new.pullback-web1") >= before + 2000);
    assert ((i == 0 ? nbd_trim (nbd, MIB, MIB, 0)
             : nbd_zero (nbd, MIB, MIB, 0)) == 0);
    assert (nbd_flush (nbd, 0) == 0);
    assert (blocks (".new.pullback-web1") < before + 1000);
  }
  assert (nbd_pwrite (nbd, bytes, sizeof bytes, 8 * MIB - sizeof bytes,
                      LIBNBD_CMD_FLAG_FUA) == 0);
  leave (nbd);
  assert (finish (child, 2) == 0);
  stop (child);
  for (int i = 0; i < 2; i++) {
    assert (restore_target_sync (targets[i], &why) == 0);
    assert (restore_target_publish (targets[i], &why) == 0);
    restore_target_close (targets[i]);
  }
  assert (shell ("qemu-img check -q -f qcow2 new; qemu-io -f qcow2 "
                 "-c 'read -P 0 0 8384512' -c 'read -P 120 8384512 4096' new") == 0);
  assert (shell ("qemu-io -f vdi -c 'read -P 120 4096 4096' old") == 0);
  assert (shell ("rm new old") == 0);
}

/* By descriptors, whatever the names lead to by now. */
static void
test_backing (void)
{
  struct restore_target *target;
  struct process_child *child;
  struct nbd_handle *nbd;
  char byte;

  assert (shell ("truncate -s 2M base; "
                 "qemu-io -f raw -c 'write -P 97 0 1M' base; "
                 "qemu-img create -q -f qcow2 -b base -F raw mid; "
                 "qemu-io -f qcow2 -c 'write -P 98 512k 64k' mid; "
                 "qemu-img create -q -f qcow2 -b mid -F qcow2 top") == 0);
  target = open_target (SPEC (.format = "qcow2"), "top");
  assert (shell ("mv base a; mv mid b; mv top c; truncate -s 2M base mid top") == 0);
  child = start (&target, 1);
  assert (restore_storage_daemon_wait (child, nbd_socket, soon (), &why) == 0);
  nbd = client (disks[0]);
  assert (nbd_pread (nbd, &byte, 1, 0, 0) == 0 && byte == 'a');
  assert (nbd_pread (nbd, &byte, 1, 512 << 10, 0) == 0 && byte == 'b');
  byte = 'c';
  assert (nbd_pwrite (nbd, &byte, 1, 512 << 10, 0) == 0);
  leave (nbd);
  /* The backing files may be read by others, and not be written. */
  assert (shell ("qemu-io -r -f raw -c length a") == 0);
  assert (shell ("qemu-io -f raw -c length a") != 0 && said ("lock"));
  assert (shell ("qemu-io -f qcow2 -c length c") != 0 && said ("lock"));
  assert (finish (child, 1) == 0);
  stop (child);
  restore_target_close (target);
  assert (shell ("mv a base; mv b mid; mv c top; "
                 "qemu-io -f qcow2 -c 'read -P 99 512k 1' top") == 0);
  assert (shell ("rm base mid top") == 0);
}

/* Writes at 3 MiB, and leaves the connection as it is. */
static struct nbd_handle *
write_once (struct process_child *child)
{
  struct nbd_handle *nbd;
  char byte = 'x';

  assert (restore_storage_daemon_wait (child, nbd_socket, soon (), &why) == 0);
  nbd = client (disks[0]);
  assert (nbd_pwrite (nbd, &byte, 1, 3 * MIB, 0) == 0);
  return nbd;
}

/* Its persistent bitmaps record what is written; where it was killed they say that they do
 * not. */
static void
test_bitmaps (void)
{
  struct restore_target *target;
  struct process_child *child;
  struct nbd_handle *nbd;

  assert (shell ("qemu-img create -q -f qcow2 disk 8M; "
                 "qemu-img bitmap --add disk mon") == 0);
  target = open_target (SPEC (.format = "qcow2"), "disk");
  child = start (&target, 1);
  leave (write_once (child));
  assert (finish (child, 1) == 0);
  stop (child);
  restore_target_close (target);
  assert (shell ("qemu-nbd -r -t -f qcow2 -B mon -k $PWD/n disk & "
                 "until nbdinfo --map=qemu:dirty-bitmap:mon "
                 "nbd+unix:///?socket=n; do sleep 0.1; done; "
                 "kill $!; wait $!; rm -f n") == 0);
  assert (said ("3145728       65536    1"));
  target = open_target (SPEC (.format = "qcow2"), "disk");
  child = start (&target, 1);
  nbd = write_once (child);
  assert (kill (process_child_status (child).pid, SIGKILL) == 0);
  nbd_close (nbd);
  while (!process_child_status (child).failed)
    g_usleep (1000);
  assert (finish (child, 1) == -ECHILD);
  assert (strstr (why.text, "ended with signal 9") != NULL);
  stop (child);
  restore_target_close (target);
  assert (shell ("qemu-img info disk") == 0 && said ("in-use"));
  assert (shell ("rm disk") == 0);
}

/* qcow2 on a block device. */
static void
test_block_device (void)
{
  g_autofree char *path = in_folder ("out"), *out = NULL, *relative = NULL;
  struct restore_target *target;
  struct process_child *child;

  assert (shell ("qemu-img create -q -f qcow2 disk 8M; truncate -s 16M disk") == 0);
  if (geteuid () != 0 || shell ("losetup --show -f disk") != 0) {
    assert (shell ("rm disk") == 0);
    return;
  }
  assert (g_file_get_contents (path, &out, NULL, NULL));
  relative = g_strconcat ("../..", g_strstrip (out), NULL);
  target = open_target (SPEC (.format = "qcow2"), relative);
  child = start (&target, 1);
  leave (write_once (child));
  assert (finish (child, 1) == 0);
  stop (child);
  assert (restore_target_sync (target, &why) == 0);
  restore_target_close (target);
  assert (shell ("losetup -d %s", out) == 0);
  assert (shell ("qemu-io -f qcow2 -c 'read -P 120 3M 1' disk") == 0);
  assert (shell ("rm disk") == 0);
}

/* The image is spoilt since it was opened: it ends, and is waited for in vain. */
static void
test_does_not_start (void)
{
  struct restore_target *target;
  struct process_child *child;

  assert (shell ("qemu-img create -q -f qcow2 disk 1M") == 0);
  target = open_target (SPEC (.format = "qcow2"), "disk");
  assert (shell ("dd if=/dev/zero of=disk bs=1 count=8 conv=notrunc") == 0);
  child = start (&target, 1);
  assert (restore_storage_daemon_wait (child, nbd_socket, soon (), &why) == -ECHILD);
  assert (strstr (why.text, "ended with status 1") != NULL);
  stop (child);
  restore_target_close (target);
  assert (shell ("rm disk") == 0);
}

/* The header of one that was looked at is exchanged for one that leads elsewhere. */
static void
try_exchanged (const char *header)
{
  struct restore_target *target;
  struct process_child *child;
  int fds[2];

  assert (shell ("qemu-img create -q -f qcow2 disk 1M; qemu-img create -q -f qcow2 %s", header) == 0);
  target = open_target (SPEC (.format = "qcow2"), "disk");
  fds[0] = restore_target_io_fd (target);
  fds[1] = restore_target_lock_fd (target);
  child = start (&target, 1);
  assert (restore_storage_daemon_wait (child, nbd_socket, soon (), &why) == 0);
  assert (restore_storage_daemon_check (child, fds, 2, &why) == 0);
  stop (child);
  assert (shell ("dd if=evil of=disk conv=notrunc") == 0);
  child = start (&target, 1);
  assert (restore_storage_daemon_wait (child, nbd_socket, soon (), &why) == 0);
  if (strstr (header, "data_file") != NULL) {
    assert (restore_storage_daemon_check (child, fds, 2, &why) == -EXDEV);
    assert (strstr (why.text, "secret: somebody has changed its header") != NULL);
  }
  else
    assert (restore_storage_daemon_check (child, fds, 2, &why) == 0);
  stop (child);
  restore_target_close (target);
  assert (shell ("rm -f disk evil secret") == 0);
}

static void
test_exchanged (void)
{
  try_exchanged ("-o data_file=$PWD/secret evil 1M");
  assert (shell ("truncate -s 1M secret") == 0);
  try_exchanged ("-b $PWD/secret -F raw evil 1M");
}

/* What it held back had no room: that it says, and does not end with 0 and silence. */
static void
test_no_room (void)
{
  struct restore_target *target;
  struct process_child *child;
  struct nbd_handle *nbd;
  g_autofree char *big = g_malloc0 (MIB);

  assert (shell ("mkdir small") == 0);
  if (geteuid () != 0 || shell ("mount -t tmpfs -o size=2M none small") != 0) {
    assert (shell ("rmdir small") == 0);
    return;
  }
  memset (big, 'x', MIB);
  target = open_target (NEW (8 * MIB, .format = "qcow2"), "small/new");
  child = start (&target, 1);
  assert (restore_storage_daemon_wait (child, nbd_socket, soon (), &why) == 0);
  nbd = client (disks[0]);
  assert (nbd_pwrite (nbd, big, MIB, 0, 0) == 0);
  assert (nbd_pwrite (nbd, big, MIB, MIB, 0) < 0 && nbd_get_errno () == ENOSPC);
  leave (nbd);
  (void) finish (child, 1);
  stop (child);
  assert (restore_target_discard (target, &why) == 0);
  restore_target_close (target);
  assert (shell ("umount small; rmdir small") == 0);
}

int
main (void)
{
  test_begin ("test-restore-storage-daemon");
  monitor = in_folder ("qmp.sock");
  nbd_socket = in_folder ("nbd.sock");
  assert (process_child_watcher_start () == 0);
  test_written ();
  test_backing ();
  test_bitmaps ();
  test_block_device ();
  test_does_not_start ();
  test_exchanged ();
  test_no_room ();
  process_child_watcher_stop ();
  g_free (monitor);
  g_free (nbd_socket);
  test_end ();
  return 0;
}
