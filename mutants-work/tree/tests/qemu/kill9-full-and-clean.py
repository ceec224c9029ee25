#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: faults
"""After a clean stop of QEMU the chain of a qcow2 disk goes on; after kill -9 the
next backup is full with a reason, our stale bitmaps go while the VM runs, those
of others stay, and the names are free again."""

import json

from pullbacktest import MIB, VM, Daemon, Disk, dirty_map, main, need, run

GRANULE = 65536


def write(vm, *granules):
    for disk in vm.disks:
        for at in granules:
            said = vm.qmp.hmp(
                f"qemu-io -d /machine/peripheral/{disk}/virtio-backend "
                f"\"write {at * GRANULE} 512\"")
            need(not said.strip(), f"qemu-io: {said}")


def names(vm, disk):
    return sorted(b[0] for b in
                  vm.state()["bitmaps"].get(f"node-{disk}", []))


def begin(t, daemon, base, vda, vdb, fulls, end, *more):
    """VDA, VDB: the reason of a full, or the dirty granules."""
    disks = daemon.begin("--incremental", base, *more)["disk"]
    for (name, want), full in zip((("vda", vda), ("vdb", vdb)), fulls):
        disk = disks[name]
        have = disk["reason"] if disk["mode"] == "full" else sorted(
            g for o, n in dirty_map(disk["uri"], disk["context"])
            for g in range(o // GRANULE, (o + n) // GRANULE))
        t.check(have == want, f"{name} since {base}: {have}, want {want}")
        t.check(disk["consecutive-fulls"] == full,
                f"{name} since {base}: consecutive-fulls "
                f"{disk['consecutive-fulls']}, want {full}")
    end()


def after_a_clean_stop(t, vm, daemon):
    daemon.cli("checkpoint-create", "vm1", "a")
    write(vm, 1)
    daemon.cli("checkpoint-create", "vm1", "b")
    write(vm, 2)
    vm.qmp("block-dirty-bitmap-add", node="node-vdb", name="theirs",
           persistent=True)
    vm.quit()
    vm.start()
    write(vm, 3)
    begin(t, daemon, "a", "raw-restarted", [1, 2, 3], (1, 0), daemon.abort)
    # What was aborted does not count.
    begin(t, daemon, "a", "raw-restarted", [1, 2, 3], (1, 0), daemon.commit,
          "--checkpoint", "c")
    write(vm, 4)


def after_kill9(t, vm, daemon):
    vm.kill9()
    vm.start()
    write(vm, 5)
    t.check(names(vm, "vdb") == ["a", "b", "theirs"],
            f"after kill -9: {names(vm, 'vdb')}")
    daemon.refuses("backup-begin", "vm1", "--incremental", "a", "--strict",
                   saying=["vda", "raw-restarted"])
    begin(t, daemon, "a", "raw-restarted", "bitmap-inconsistent", (2, 1),
          daemon.commit, "--checkpoint", "d")
    t.check(names(vm, "vdb") == ["d", "theirs"],
            f"stale bitmaps are left: {names(vm, 'vdb')}")
    disks = daemon.cli("checkpoint-info", "vm1", "a")["disks"]
    t.check([d.get("lost") for d in disks] == [None, "bitmap-inconsistent"],
            f"not marked: {disks}")
    write(vm, 6)
    # The marks outlive the bitmaps; c was never saved at all.
    daemon.terminate()
    daemon.start()
    begin(t, daemon, "a", "raw-restarted", "bitmap-inconsistent", (3, 2),
          daemon.abort)
    begin(t, daemon, "c", "raw-restarted", "bitmap-inconsistent", (3, 2),
          daemon.abort)
    begin(t, daemon, "d", [6], [6], (0, 0), daemon.commit)


def names_are_free(t, vm, daemon):
    daemon.refuses("checkpoint-create", "vm1", "a", saying=["already"])
    for name in "abc":
        daemon.cli("checkpoint-delete", "vm1", name)
    begin(t, daemon, "d", [6], [6], (0, 0), daemon.abort)
    daemon.cli("checkpoint-create", "vm1", "a")
    write(vm, 7)
    begin(t, daemon, "a", [7], [7], (0, 0), daemon.abort)
    begin(t, daemon, "d", [6, 7], [6, 7], (0, 0), daemon.abort)
    vm.quit()
    info = json.loads(run("qemu-img", "info", "--output=json",
                          vm.disks["vdb"].path).stdout)
    have = {b["name"]: b["flags"]
            for b in info["format-specific"]["data"]["bitmaps"]}
    t.check(have == {"d": [], "a": ["auto"],
                     "theirs": ["in-use", "auto"]},
            f"in the image: {have}")
    daemon.terminate()


def test(t):
    vm = VM(t, [Disk("vda", "raw", 8 * MIB), Disk("vdb", "qcow2", 8 * MIB)],
            boot=False)
    daemon = Daemon(t)
    daemon.add(vm)
    for case in (after_a_clean_stop, after_kill9, names_are_free):
        t.say(case.__name__)
        case(t, vm, daemon)


main(test)
