#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The dirty map that clients see is QEMU's own map of the same bitmap, extent
for extent.  A second bitmap, made and read in the same pauses of the guest,
is exported by QEMU itself for comparison."""

from pullbacktest import (MIB, VM, Daemon, Disk, Failed, dirty_map, main,
                          start_load, stop_load)

WITNESS = "witness"


def witness_action(vm, action):
    for disk in vm.disks.values():
        vm.qmp(f"block-dirty-bitmap-{action}", node=disk.node, name=WITNESS)


def qemus_maps(t, vm):
    """What QEMU's NBD server says of the witness bitmaps."""
    path, maps = t.path("w"), {}
    vm.qmp("nbd-server-start", addr={"type": "unix", "data": {"path": path}})
    for name, disk in vm.disks.items():
        vm.qmp("block-export-add", type="nbd", id=f"w-{name}",
               node_name=disk.node, name=f"w-{name}", bitmaps=[WITNESS])
        maps[name] = dirty_map(f"nbd+unix:///w-{name}?socket={path}",
                               f"qemu:dirty-bitmap:{WITNESS}")
        vm.qmp("block-export-del", id=f"w-{name}", mode="hard")
        vm.qmp.wait_event("BLOCK_EXPORT_DELETED")
    vm.qmp("nbd-server-stop")
    return maps


def test(t):
    vm = VM(t, [Disk("vda", "raw", 256 * MIB),
                Disk("vdb", "qcow2", 256 * MIB + 512 * 7)])
    daemon = Daemon(t)
    daemon.add(vm)
    start_load(t, vm, "rate=100 max=65536")
    vm.pause()
    for disk in vm.disks.values():
        vm.qmp("block-dirty-bitmap-add", node=disk.node, name=WITNESS,
               granularity=65536)
    daemon.begin("--checkpoint", "c0")
    vm.resume()
    daemon.commit()
    for number in range(1, 5):
        before = vm.qmp("query-blockstats")[0]["stats"]["wr_operations"]
        while vm.qmp("query-blockstats")[0]["stats"]["wr_operations"] \
                < before + 40:
            vm.guest("ping")
        vm.pause()
        witness_action(vm, "disable")
        want = qemus_maps(t, vm)
        backup = daemon.begin("--checkpoint", f"c{number}", "--incremental",
                              f"c{number - 1}")
        witness_action(vm, "clear")
        witness_action(vm, "enable")
        vm.resume()
        for name, disk in backup["disk"].items():
            have = dirty_map(disk["uri"], disk["context"])
            t.say(f"c{number} {name}: {len(have)} extents, "
                  f"{sum(n for _, n in have)} bytes")
            if not have:
                raise Failed("the guest wrote nothing")
            t.check(have == want[name],
                    f"{name}: ours {have[:5]}, QEMU's {want[name][:5]}")
        daemon.commit()
    stop_load(t, vm)


main(test)
