#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""block-stream of an image between, begun while a backup begins, puts a filter into the chain, so
that what is below it is deeper than it was.  All counts as changed then, also if the job
is gone before QEMU has told what is allocated where."""

import os
import threading

from pullbacktest import (GIB, MIB, VM, Daemon, Disk, dirty_map, main, run,
                          wait_until)

SIZE = 64 * GIB
TABLE = 512 * MIB               # of the disk, in each L2 table
SLOW = 16 * 65536               # tables in a second
CHAIN = ("third", "second", "first", "top")
# What a lie would lack, and what keeps the job at work.
WRITTEN = {"third": f"{GIB} 1M", "second": f"{2 * GIB} 8M"}


def grow_chain(t, vm, name):
    """TOP has many tables, which are read slowly."""
    below = f"node-{name}"
    for node in CHAIN:
        path = t.path(name + node)
        run("qemu-img", "create", "-q", "-f", "qcow2", path, str(SIZE))
        file = {"driver": "file", "filename": path}
        if node == "top":
            run("qemu-io", "-f", "qcow2", "-t", "unsafe",
                *[word for at in range(0, SIZE, TABLE)
                  for word in ("-c", f"write -q {at} 64k")], path)
            file = {"driver": "throttle", "throttle-group": "slow",
                    "file": file}
        vm.qmp("blockdev-add", {"driver": "qcow2", "node-name": name + node,
                                "backing": None, "file": file})
        vm.qmp("blockdev-snapshot", node=below, overlay=name + node)
        below = name + node
        if node in WRITTEN:
            vm.qmp.hmp(f"qemu-io -d /machine/peripheral/{name}/virtio-backend "
                       f"\"write -P 3 {WRITTEN[node]}\"")


def stream(vm, name):
    vm.qmp("block-stream", {"job-id": "s", "device": name + "first",
                            "base-node": name + "third", "speed": 1})
    drivers = {node["drv"] for node in vm.qmp("query-named-block-nodes")}
    assert "copy-on-read" in drivers, drivers


def cancel(vm):
    vm.qmp("block-job-cancel", {"device": "s", "force": True})
    wait_until(lambda: "s" not in [job["id"] for job in vm.qmp("query-jobs")],
               60, "the job stays")


def slow_down(vm, rate):
    vm.qmp("qom-set", {"path": "/objects/slow", "property": "limits",
                       "value": {"bps-read": rate}})


def is_asked(vm):
    return any("import" in export["id"]
               for export in vm.qmp("query-block-exports"))


def check_all_changed(t, daemon, said, when):
    disk = said[0]["disk"]["vda"]
    found = dirty_map(disk["uri"], disk["context"])
    t.check(disk["mode"] == "incremental" and found == [(0, SIZE)],
            f"{when}: {disk['mode']} {disk['reason']} {found[:4]}")
    daemon.abort()


def test(t):
    pause = t.path("pause")
    vm = VM(t, [Disk("vda", "raw", SIZE)], boot=False,
            more=["-object", f"throttle-group,id=slow,x-bps-read={SLOW}"])
    daemon = Daemon(t, env={"PULLBACK_PAUSE": pause})
    daemon.add(vm)
    daemon.begin("--checkpoint", "mon")
    daemon.commit()
    grow_chain(t, vm, "vda")

    said = []
    begin = threading.Thread(target=lambda: said.append(
        daemon.begin("--incremental", "mon")))
    begin.start()
    wait_until(lambda: is_asked(vm), 40, "nothing is asked")
    stream(vm, "vda")
    t.check(not said, "it was asked too soon")
    cancel(vm)
    slow_down(vm, 0)
    begin.join()
    check_all_changed(t, daemon, said, "gone before all was told")

    said.clear()
    with open(pause, "w") as file:
        file.write("look-at-freeze")
    begin = threading.Thread(target=lambda: said.append(
        daemon.begin("--incremental", "mon")))
    begin.start()
    wait_until(lambda: os.path.exists(pause + ".paused"), 40, "no pause")
    stream(vm, "vda")
    slow_down(vm, SLOW)
    os.unlink(pause + ".paused")
    wait_until(lambda: said or is_asked(vm), 40, "no end")
    cancel(vm)
    slow_down(vm, 0)
    begin.join()
    check_all_changed(t, daemon, said, "there before it was asked")

    disk = daemon.begin("--incremental", "mon")["disk"]["vda"]
    found = dirty_map(disk["uri"], disk["context"])
    t.check(sum(length for _, length in found) < GIB and
            any(at <= GIB < at + length for at, length in found),
            f"undisturbed: {found[:4]}")
    daemon.abort()
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
