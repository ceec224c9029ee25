#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: faults
"""The base of an incremental backup vanishes after it was looked for: as a checkpoint
whose deletion begin itself finishes, and as a bitmap that somebody removes between
plan and freeze.  The begin is refused, and nothing of it stays."""

import threading

from pullbacktest import MIB, VM, Daemon, Disk, main, wait_until
from pullbacktest.fakeqmp import QmpProxy


def deleted(t, vm, daemon, proxy):
    """A deletion that QEMU refused half-way is finished first."""
    daemon.cli("checkpoint-create", "vm1", "base")
    proxy.on()
    daemon.refuses("checkpoint-delete", "vm1", "base", saying=["refused"])
    proxy.off()
    before = vm.state()
    daemon.refuses("backup-begin", "vm1", "--incremental", "base",
                   saying=["no checkpoint called 'base'"])
    daemon.assert_nothing_left()
    t.check(not vm.state()["bitmaps"].get("node-vda"), "its bitmap is left")
    before["bitmaps"] = {}
    vm.assert_clean(before)


def bitmap_removed(t, vm, daemon, proxy):
    """The plan has been made when QEMU gets the node of the sink."""
    # To the daemon the proxy is QEMU: the checkpoint is of this one.
    proxy.kill()
    proxy.start("delay=blockdev-add,4")
    daemon.cli("checkpoint-create", "vm1", "base")
    proxy.on()
    said = []
    begin = threading.Thread(target=lambda: said.append(
        daemon.cli("backup-begin", "vm1", "--incremental", "base",
                   check=False)))
    begin.start()
    wait_until(lambda: any(n["drv"] == "nbd" for n in
                           vm.qmp("query-named-block-nodes")), 20,
               "QEMU gets no node of the sink")
    vm.qmp("block-dirty-bitmap-remove", node="node-vda", name="base")
    begin.join()
    t.say(f"    {said[0].stderr.strip()}")
    t.check(said[0].returncode != 0, f"a backup since nothing: {said[0]}")
    t.check("base" in said[0].stderr, "the refusal does not name the base")
    proxy.off()
    daemon.assert_nothing_left()
    disk = daemon.begin("--incremental", "base")["disk"]["vda"]
    t.check(disk["mode"] == "full" and disk["reason"],
            f"the next one: {disk['mode']}, {disk.get('reason')}")
    daemon.abort()


def test(t):
    vm = VM(t, [Disk("vda", "raw", 32 * MIB)], boot=False)
    proxy = QmpProxy(t, vm, "p", "refuse=block-dirty-bitmap-remove", switched=True)
    daemon = Daemon(t)
    daemon.cli("domain-add", "vm1", "--qmp", proxy.path)
    t.say("a checkpoint that is being deleted")
    deleted(t, vm, daemon, proxy)
    t.say("a bitmap that somebody removes")
    bitmap_removed(t, vm, daemon, proxy)


main(test)
