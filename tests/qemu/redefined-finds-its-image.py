#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A checkpoint that the catalog has lost and a person redefines is one of the image that has
its bitmap then, and of no other: not of the overlay that libvirt has given a bitmap of that
name, once the image is out of the chain.  Redefined while QEMU is away it is of no image."""

from pullbacktest import MIB, VM, Daemon, Disk, main, run, wait_until

SIZE = 4 * MIB


def snapshot(vm, overlay):
    """As libvirt makes one."""
    run("qemu-img", "create", "-q", "-u", "-f", "qcow2", "-F", "qcow2", "-b",
        vm.disks["vda"].path, overlay, str(SIZE))
    vm.qmp("blockdev-add", {
        "driver": "qcow2", "node-name": "overlay", "backing": None,
        "file": {"driver": "file", "filename": overlay}})
    vm.qmp("transaction", {"actions": [
        {"type": "block-dirty-bitmap-add", "data": {
            "node": "overlay", "name": "mon", "persistent": True}},
        {"type": "blockdev-snapshot", "data": {
            "node": "node-vda", "overlay": "overlay"}}]})


def pull(vm):
    def state():
        return [job["status"] for job in vm.qmp("query-jobs")]

    vm.qmp("block-stream", {"job-id": "pull", "device": "overlay",
                            "auto-dismiss": False})
    wait_until(lambda: state() == ["concluded"], 60, "the pull does not end")
    vm.qmp("job-dismiss", {"id": "pull"})


def run_one(t, name, validate):
    vm = VM(t, [Disk("vda", "qcow2", SIZE, path=t.path(name))], boot=False,
            name=name)
    daemon = Daemon(t, name=name)
    daemon.add(vm)

    def expect(mode, when, reason=None):
        disk = daemon.begin("--incremental", "mon")["disk"]["vda"]
        daemon.abort()
        t.check((disk["mode"], disk.get("reason") or None) == (mode, reason),
                f"{when}, validated {validate}: {disk}")

    def redefine(validate):
        daemon.ask("checkpoint-create", domain="vm1", checkpoint_xml=text,
                   redefine=True, redefine_validate=validate)

    daemon.cli("checkpoint-create", "vm1", "mon")
    text = daemon.ask("checkpoint-dumpxml", domain="vm1",
                      checkpoint="mon")["xml"]
    daemon.cli("checkpoint-delete", "vm1", "mon", "--metadata")
    if validate is None:
        vm.quit()
        redefine(False)
        vm.start()
        expect("full", "redefined while QEMU was away", "disk-replaced")
        redefine(True)
        expect("incremental", "redefined again")
        return
    redefine(validate)
    expect("incremental", "redefined")
    vm.qmp.hmp("qemu-io -d /machine/peripheral/vda/virtio-backend "
               f"\"write -P 1 {MIB} 65536\"")
    snapshot(vm, t.path(name + ".overlay"))
    expect("incremental", "below an overlay")
    pull(vm)
    expect("full", "out of the chain", "disk-replaced")


def test(t):
    for name, validate in (("given", False), ("validated", True),
                           ("away", None)):
        run_one(t, name, validate)


main(test)
