/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mark: no-valgrind (it does not know pidfds) */
/* The bitmaps of an image, by a real qemu-storage-daemon. */
#include <config.h>

#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "deadline.h"
#include "process-listen.h"
#include "restore-since.h"
#include "restore-storage-daemon.h"
#include "test-restore.h"

static char *monitor, *nbd_socket;

static struct process_child *
start (struct restore_target *target, struct qmp **qmp)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GArray) fds = g_array_new (FALSE, FALSE, sizeof (int));
  const struct restore_storage_export export = { "vda", target, NULL };
  struct process_child *child;
  int fd;

  restore_storage_daemon_arguments (&export, 1, monitor, argv, fds);
  g_ptr_array_add (argv, NULL);
  assert (process_listen_unix (nbd_socket, getuid (), getgid (), &fd,
                               &why) == 0);
  assert (process_child_start (&(struct process_child_spec) {
                                 .role = "storage", .listen_fd = fd,
                                 .argv = (char *const *) argv->pdata,
                                 .more_fds = (const int *) (void *) fds->data,
                                 .n_more_fds = fds->len, .once = true
                               }, &child, &why) == 0);
  assert (restore_storage_daemon_wait (child, nbd_socket, now_ms () + DEADLINE_MS,
                                       &why) == 0);
  assert (qmp_open (monitor, DEADLINE_MS, qmp, &why) == 0);
  return child;
}

/* Two checkpoints: mon recorded until tue did. */
static void
make_image (void)
{
  assert (shell ("qemu-img create -q -f qcow2 disk 8M; "
                 "qemu-img bitmap --add disk mon; "
                 "qemu-io -f qcow2 -c 'write 1M 64k' disk; "
                 "qemu-img bitmap --add disk tue; "
                 "qemu-img bitmap --disable disk mon; "
                 "qemu-io -f qcow2 -c 'write 5M 64k' disk") == 0);
}

/* Bitmaps BITMAPS tell WHAT together. */
static void
expect (struct qmp *qmp, const char *const *bitmaps, uint64_t bytes,
        const char *what)
{
  g_autofree char *node = restore_storage_daemon_node (0);
  uint64_t dirty = 0;

  why = (struct failure) { .error = 0 };
  /* Again and again. */
  for (int i = 0; i < 2; i++) {
    assert (restore_since_export (qmp, node, 8 * MIB, bitmaps, "since", &dirty,
                                  &why) == 0);
    assert (dirty == bytes);
    assert (shell ("nbdinfo --map=qemu:dirty-bitmap:" RESTORE_SINCE_BITMAP
                   " 'nbd+unix:///since?socket=nbd.sock' | "
                   "awk '$3 == 1 { print $1, $2 }' | xargs echo") == 0);
    assert (said (what));
    assert (restore_since_remove (qmp, node, &why) == 0);
    assert (restore_since_remove (qmp, node, &why) == 0);
  }
}

static void
refuse (struct qmp *qmp, const char *const *bitmaps, const char *what)
{
  g_autofree char *node = restore_storage_daemon_node (0);
  uint64_t dirty = 1;

  why = (struct failure) { .error = 0 };
  assert (restore_since_export (qmp, node, 8 * MIB, bitmaps, "since", &dirty,
                                &why) == -ENODATA);
  assert (dirty == 1 && strstr (why.text, what) != NULL);
}

static void
end (struct process_child *child, struct qmp *qmp,
     struct restore_target *target)
{
  const char *disks[] = { "vda" };

  qmp_close (qmp);
  assert (restore_storage_daemon_finish (child, nbd_socket, disks, 1,
                                         now_ms () + DEADLINE_MS, &why) == 0);
  process_child_stop (child);
  restore_target_close (target);
  assert (unlink (nbd_socket) == 0);
}

static void
test_since (void)
{
  static const char *const mon[] = { "mon", "tue", NULL };
  static const char *const tue[] = { "tue", NULL };
  static const char *const only_mon[] = { "mon", NULL };
  static const char *const none[] = { "sun", "mon", "tue", NULL };
  struct process_child *child;
  struct restore_target *target;
  struct qmp *qmp;

  make_image ();
  target = open_target (SPEC (.format = "qcow2"), "disk");
  child = start (target, &qmp);
  expect (qmp, mon, 2 * 65536, "1048576 65536 5242880 65536");
  expect (qmp, tue, 65536, "5242880 65536");
  refuse (qmp, only_mon, "bitmap mon does not record");
  refuse (qmp, none, "bitmap sun is missing");
  end (child, qmp, target);
  assert (shell ("qemu-img info disk") == 0);
  assert (said ("name: mon") && said ("name: tue"));
  assert (shell ("! grep -q pullback out") == 0);
}

/* QEMU may have been told to count in other steps, by others: all that was written is told. */
static void
test_other_granules (void)
{
  static const char *const fine[] = { "fine", "tue", "coarse", NULL };
  struct process_child *child;
  struct restore_target *target;
  struct qmp *qmp;

  assert (shell ("qemu-img bitmap --add -g 4k disk fine; "
                 "qemu-io -f qcow2 -c 'write 2M 4k' disk; "
                 "qemu-img bitmap --disable disk fine; "
                 "qemu-img bitmap --add -g 1M disk coarse; "
                 "qemu-io -f qcow2 -c 'write 6M 4k' disk") == 0);
  target = open_target (SPEC (.format = "qcow2"), "disk");
  child = start (target, &qmp);
  expect (qmp, fine, 2 * 65536 + MIB,
          "2097152 65536 5242880 65536 6291456 1048576");
  end (child, qmp, target);
}

/* Whoever had the image last was killed. */
static void
test_unsound (void)
{
  static const char *const mon[] = { "mon", "tue", NULL };
  struct process_child *child;
  struct restore_target *target;
  struct qmp *qmp;

  assert (shell ("qemu-io -f qcow2 -c 'write 0 64k' -c 'abort' disk; true") == 0);
  target = open_target (SPEC (.format = "qcow2"), "disk");
  child = start (target, &qmp);
  refuse (qmp, mon, "was not saved");
  end (child, qmp, target);
  assert (shell ("rm disk") == 0);
}

int
main (void)
{
  test_begin ("test-restore-since");
  monitor = in_folder ("qmp.sock");
  nbd_socket = in_folder ("nbd.sock");
  assert (process_child_watcher_start () == 0);
  test_since ();
  test_other_granules ();
  test_unsound ();
  process_child_watcher_stop ();
  g_free (monitor);
  g_free (nbd_socket);
  test_end ();
  return 0;
}
