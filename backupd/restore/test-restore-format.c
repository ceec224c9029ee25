/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mark: no-valgrind (it does not know pidfds) */
/* Images of all formats, made by the real qemu-img. */
#include <config.h>

#undef NDEBUG
#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <stdio.h>
#include <unistd.h>

#include <glib.h>

#include "test-restore.h"

static void
test_new_by_qemu_img (void)
{
  const char *options[] = { "cluster_size=128k", "preallocation=metadata", NULL };
  const char *comma[] = { "cluster_size=64k,backing_file=/etc/passwd", NULL };
  const char *backing[] = { "backing_file=/etc/passwd", NULL };
  const char *odd[] = { "cluster_size", NULL };
  const char *unknown[] = { "shape=round", NULL };
  const char *full[] = { "preallocation=full", NULL };
  struct restore_target *target =
    open_target (NEW (MIB, .format = "qcow2", .options = options), "new");

  assert (restore_target_size (target) == MIB);
  assert (restore_target_publish (target, &why) == 0);
  restore_target_close (target);
  assert (shell ("qemu-img info new") == 0);
  assert (said ("cluster_size: 131072") && said ("format: qcow2"));
  assert (shell ("rm new") == 0);
  refused (NEW (MIB, .format = "qcow2", .options = comma), "new", "qemu-img: ");
  refused (NEW (MIB, .format = "qcow2", .options = backing), "new", "stands by itself");
  refused (NEW (MIB, .format = "qcow2", .options = odd), "new", "not KEY=VALUE");
  refused (NEW (MIB, .format = "qcow2", .options = unknown), "new", "shape");
  refused (NEW (MIB, .format = "qcow2", .options = unknown), "new", "qemu-img: ");
  assert (!exists (".new.pullback-web1") && !exists ("new"));
  target = open_target (NEW (MIB, .options = full), "new");
  assert (shell ("test $(stat -c %%b .new.pullback-web1) -ge 2048") == 0);
  assert (restore_target_discard (target, &why) == 0);
  restore_target_close (target);
}

/* --- formats ------------------------------------------------------------------------------ */

static void
test_formats (void)
{
  static const char *const others[] = { "vdi", "vhdx" };
  struct restore_target *target;

  assert (shell ("qemu-img create -q -f qcow2 a.qcow2 10M; "
                 "truncate -s 1M a.raw") == 0);
  target = open_target (SPEC (.format = "qcow2"), "a.qcow2");
  assert (restore_target_size (target) == 10 * MIB);
  assert (restore_target_n_backing (target) == 0);
  restore_target_close (target);
  refused (SPEC (.format = "raw"), "a.qcow2", "begins like a qcow2 image");
  refused (SPEC (.format = "vhdx"), "a.qcow2", "is a qcow2 image by its header, not vhdx");
  refused (SPEC (.format = "qcow2"), "a.raw", "is it raw?");
  for (size_t i = 0; i < G_N_ELEMENTS (others); i++) {
    assert (shell ("qemu-img create -q -f %s other 16M", others[i]) == 0);
    target = open_target (SPEC (.format = others[i]), "other");
    assert (restore_target_size (target) >= 16 * MIB);
    restore_target_close (target);
    refused (SPEC (.format = "raw"), "other", "begins like a");
    target = open_target (NEW (16 * MIB, .format = others[i]), "new");
    assert (restore_target_discard (target, &why) == 0);
    restore_target_close (target);
  }
  assert (shell ("rm a.qcow2 a.raw other") == 0);
}

/* What may lead to files that we have not looked at, whatever this one does. */
static void
test_formats_that_lead_elsewhere (void)
{
  static const char *const leading[] = { "vmdk", "vpc", "qed" };

  for (size_t i = 0; i < G_N_ELEMENTS (leading); i++) {
    g_autofree char *below = g_strdup_printf ("image, has the format %s", leading[i]);

    assert (shell ("qemu-img create -q -f %s image 16M", leading[i]) == 0);
    refused (SPEC (.format = leading[i]), "image", "by --create qcow2 or --create raw");
    refused (SPEC (.format = "raw"), "image", "restore to a new image by --create");
    refused (NEW (16 * MIB, .format = leading[i]), "new", "cannot be restored to");
    assert (!exists ("new") && !exists (".new.pullback-web1"));
    assert (shell ("qemu-img create -q -f qcow2 -b image -F %s top 16M", leading[i]) == 0);
    refused (SPEC (.format = "qcow2"), "top", below);
  }
  /* The others QEMU refuses where they have a parent. */
  assert (shell ("qemu-img create -q -f vdi image 16M; "
                 "printf '\\001' | dd of=image bs=1 seek=440 conv=notrunc") == 0);
  refused (SPEC (.format = "vdi"), "image", "parent");
  assert (shell ("qemu-img create -q -f vhdx image 16M; "
                 "printf '\\002' | dd of=image bs=1 seek=3211268 conv=notrunc") == 0);
  refused (SPEC (.format = "vhdx"), "image", "qemu-img: ");
  assert (shell ("rm image top") == 0);
}

static void
test_unsound_images (void)
{
  assert (shell ("qemu-img create -q -f qcow2 a 10M; cp a b; "
                 /* incompatible features: dirty, corrupt */
                 "printf '\\001' | dd of=a bs=1 seek=79 conv=notrunc; "
                 "printf '\\002' | dd of=b bs=1 seek=79 conv=notrunc; "
                 "qemu-img create -q -f qcow2 -o data_file=c.data c 10M; "
                 /* it fails now and then, where processors are busy */
                 "until qemu-img create -q --object secret,id=s,data=x -f qcow2 -o "
                 "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10 "
                 "d 10M; do :; done; "
                 "head -c 1M a >e; head -c 100 a >f") == 0);
  refused (SPEC (.format = "qcow2"), "a", "qemu-img check");
  refused (SPEC (.format = "qcow2"), "b", "corrupt: mend it by qemu-img check");
  refused (SPEC (.format = "qcow2"), "c", "data in another file");
  refused (SPEC (.format = "qcow2"), "d", "encrypted");
  refused (SPEC (.format = "qcow2"), "f", "qemu-img: ");
  assert (shell ("rm a b c c.data d e f") == 0);
}

static void
test_backing (void)
{
  g_autofree char *allowed = in_folder ("allowed");
  const char *folders[] = { allowed, NULL };
  struct restore_target *target;

  assert (shell ("mkdir allowed other; truncate -s 10M allowed/base other/base; "
                 "cd allowed; "
                 "qemu-img create -q -f qcow2 -b base -F raw mid; "
                 "qemu-img create -q -f qcow2 -b mid -F qcow2 top; "
                 "qemu-img create -q -f qcow2 -b ../other/base -F raw out; "
                 "qemu-img create -q -f qcow2 -u -b none -F raw none-top 1M; "
                 "qemu-img create -q -f qcow2 -u -b base -F raw noformat 1M; "
                 /* the extension that has the format becomes an unknown one */
                 "printf '\\021\\021\\021\\021' | dd of=noformat bs=1 seek=112 "
                 "conv=notrunc; "
                 "qemu-img create -q -f qcow2 -u -b nbd://localhost/x -F raw net 1M; "
                 "qemu-img create -q -f qcow2 -u -b ./loop -F qcow2 loop 1M; "
                 "qemu-img create -q -f qcow2 -u -b mid -F raw lie 1M") == 0);
  target = open_target (SPEC (.format = "qcow2", .folders = folders), "allowed/top");
  assert (restore_target_n_backing (target) == 2);
  assert (strcmp (restore_target_backing_format (target, 0), "qcow2") == 0);
  assert (strcmp (restore_target_backing_format (target, 1), "raw") == 0);
  assert ((fcntl (restore_target_backing_fd (target, 1), F_GETFL) & O_ACCMODE) == O_RDONLY);
  restore_target_close (target);
  restore_target_close (open_target (SPEC (.format = "qcow2"), "allowed/out"));
  refused (SPEC (.format = "qcow2", .folders = folders), "allowed/out", "outside the folders");
  refused (SPEC (.format = "qcow2"), "allowed/none-top", "none, does not exist");
  refused (SPEC (.format = "qcow2"), "allowed/noformat", "does not say which format");
  refused (SPEC (.format = "qcow2"), "allowed/net", "is no file of this host");
  refused (SPEC (.format = "qcow2"), "allowed/loop", "leads to itself");
  refused (SPEC (.format = "qcow2"), "allowed/lie", "begins like a qcow2 image");
  assert (shell ("rm -r allowed other") == 0);
}

static void
test_no_space (void)
{
  const char *falloc[] = { "preallocation=falloc", NULL };
  const char *full[] = { "preallocation=full", NULL };

  assert (shell ("mkdir small") == 0);
  if (geteuid () != 0 || shell ("mount -t tmpfs -o size=1M none small") != 0) {
    assert (shell ("rmdir small") == 0);
    fprintf (stderr, "no tmpfs: want of space is not tested\n");
    return;
  }
  refused (NEW (8 * MIB, .options = falloc), "small/new", "No space left");
  refused (NEW (8 * MIB, .options = full), "small/new", "No space left");
  refused (NEW (8 * MIB, .format = "qcow2", .options = full), "small/new",
           "No space left");
  assert (shell ("test -z \"$(ls -A small)\"") == 0);
  assert (shell ("mount -o remount,ro small") == 0);
  refused (NEW (MIB), "small/new", "Read-only file system");
  assert (shell ("umount small; rmdir small") == 0);
}

int
main (void)
{
  test_begin ("test-restore-format");
  test_new_by_qemu_img ();
  test_formats ();
  test_formats_that_lead_elsewhere ();
  test_unsound_images ();
  test_backing ();
  test_no_space ();
  test_end ();
  return 0;
}
