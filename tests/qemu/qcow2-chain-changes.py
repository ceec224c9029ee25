#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The images below a qcow2 disk are those that QEMU has, whatever headers name, and
compressed clusters of them are right; a snapshot on top during a backup does it no harm,
and when QEMU has got others, or block-stream has made it close images that were read, the
commit is refused."""

from pullbacktest import (MIB, VM, Daemon, Disk, QmpError, chain, main,
                          nbdcopy, run, same, scribble, wait_until)

SIZE = 16 * MIB


def compressed(t):
    """An overlay of an image of compressed clusters."""
    below, path = t.path("z-below.qcow2"), t.path("z.qcow2")
    plain = chain(t, "usual", SIZE, "plain").path
    run("qemu-img", "convert", "-c", "-O", "qcow2", plain, below)
    run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", below,
        path)
    run("qemu-io", "-f", "qcow2", "-c", "write -P 9 1M 300k", path)
    return Disk("z", "qcow2", SIZE, path=path)


def other_below(t):
    """QEMU is given another backing file than its header names."""
    named, given = t.path("named.qcow2"), t.path("given.qcow2")
    top = t.path("swap.qcow2")
    for path in (named, given):
        run("qemu-img", "create", "-q", "-f", "qcow2", path, SIZE)
        scribble(t, path, SIZE)
    run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", named,
        top)
    reference = t.path("swap.ref")
    run("qemu-img", "convert", "-O", "raw", given, reference)
    return reference, [
        "-blockdev", "qcow2,node-name=given,read-only=on,file.driver=file,"
        f"file.filename={given}",
        "-blockdev", "qcow2,node-name=named,read-only=on,file.driver=file,"
        f"file.filename={named}",
        "-blockdev", "qcow2,node-name=node-swap,file.driver=file,"
        f"file.node-name=file-swap,file.filename={top},backing=given",
        "-device", "virtio-blk-pci,id=swap,drive=node-swap"]


def pull(t, daemon, references):
    backup = daemon.begin()
    for disk in daemon.info()["disks"]:
        t.check(disk["source"] == "qcow2", f"{disk['name']}: {disk['source']}")
    for name, reference in references.items():
        nbdcopy(backup["disk"][name]["uri"], t.path("copy"))
        same(reference, t.path("copy"), name)


def snapshot(t, vm):
    top = t.path("top.qcow2")
    run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b",
        vm.disks["over"].path, top)
    vm.qmp("blockdev-add", driver="qcow2", node_name="top", backing=None,
           file={"driver": "file", "filename": top})
    vm.qmp("blockdev-snapshot", node="node-over", overlay="top")


def reopen(vm):
    """QEMU keeps open what is then not below it any more."""
    vm.qmp("blockdev-reopen", options=[{
        "driver": "qcow2", "node-name": "node-swap", "file": "file-swap",
        "backing": "named"}])


def commit_is_refused(vm):
    try:
        vm.qmp("block-commit", job_id="c", device="node-z")
        return False
    except QmpError:
        return True


def test(t):
    reference, words = other_below(t)
    disks = [chain(t, "over", SIZE), compressed(t)]
    vm = VM(t, disks, boot=False, more=words)
    references = {disk.name: vm.reference_copy(disk, t.path(f"{disk.name}.ref"))
                  for disk in disks}
    references["swap"] = reference
    daemon = Daemon(t)
    daemon.add(vm)
    pull(t, daemon, references)
    t.check(commit_is_refused(vm), "block-commit is not refused")
    snapshot(t, vm)
    daemon.commit()
    pull(t, daemon, references)
    reopen(vm)
    daemon.refuses("backup-commit", "vm1", saying=["other images", "swap"])
    daemon.abort()
    daemon.begin()
    vm.qmp("block-stream", job_id="c", device="node-z")
    wait_until(lambda: "c" not in [job["id"] for job in vm.qmp("query-jobs")],
               60, "block-stream")
    daemon.refuses("backup-commit", "vm1", saying=["z"])
    daemon.abort()
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
