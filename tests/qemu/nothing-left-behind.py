#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: faults
"""However a backup ends, no job, node, export, bitmap, process, socket or
file of it stays behind."""

import os
import subprocess

from pullbacktest import (MIB, VM, Daemon, Disk, Failed, main, start_load,
                          stop_load, wait_until)

BOTH = ("node-vda", "node-vdb")


def chain(*names):
    """The bitmaps a disk has after these checkpoints: the newest records."""
    return [(name, name == names[-1]) for name in names]


def first_checkpoint(vm, daemon):
    before = vm.state()
    daemon.begin("--checkpoint", "base")
    daemon.commit()
    daemon.assert_nothing_left()
    vm.assert_clean(before, {node: chain("base") for node in BOTH})


def after_commit(t, vm, daemon):
    before = vm.state()
    daemon.begin("--checkpoint", "next", "--incremental", "base")
    daemon.commit()
    daemon.assert_nothing_left()
    vm.assert_clean(before, {node: chain("base", "next") for node in BOTH})


def after_abort(t, vm, daemon):
    for words in ([], ["--incremental", "base"], ["--checkpoint", "gone"],
                  ["--checkpoint", "gone", "--incremental", "base"],
                  ["--disk", "vda"]):
        before = vm.state()
        daemon.begin(*words)
        daemon.abort()
        daemon.assert_nothing_left()
        vm.assert_clean(before)


def slow_client(t, uri):
    """A client that never ends by itself."""
    process = subprocess.Popen(
        ["/usr/bin/python3", "-c",
         "import nbd, sys\nh = nbd.NBD()\nh.connect_uri(sys.argv[1])\n"
         "print(len(h.pread(65536, 0)), flush=True)\n"
         "while True: h.pread(1048576, 0)", uri],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL)
    t.defer(process.stdout.close)
    t.defer(process.wait)
    t.defer(process.kill)
    process.stdout.readline()
    return process


def after_client_death(t, vm, daemon):
    before = vm.state()
    disks = daemon.begin("--checkpoint", "gone")["disk"]
    client = slow_client(t, disks["vda"]["uri"])
    client.kill()
    client.wait()
    # It can be pulled again, and a client may be there when it is ended.
    client = slow_client(t, disks["vdb"]["uri"])
    daemon.abort()
    try:
        client.wait(timeout=60)
    except subprocess.TimeoutExpired:
        raise Failed("a client stayed connected after the abort")
    daemon.assert_nothing_left()
    vm.assert_clean(before)


def after_sigint(t, vm, daemon):
    before = vm.state()
    daemon.begin("--checkpoint", "gone", "--incremental", "base")
    daemon.terminate()
    daemon.assert_nothing_left()
    t.check(not os.path.exists(daemon.socket), "the control socket is left")
    vm.assert_clean(before)
    daemon.start()
    wait_until(lambda: "vm1" in str(daemon.cli("domain-list")), 10,
               "the domain is forgotten")
    names = str(daemon.cli("checkpoint-list", "vm1"))
    t.check("base" in names and "gone" not in names, f"checkpoints: {names}")
    after_abort(t, vm, daemon)


def after_qemu(t, vm, daemon, base, end):
    """QEMU ends in the middle of a backup, and comes back."""
    daemon.begin("--checkpoint", base)
    daemon.commit()
    daemon.begin("--checkpoint", "gone", "--incremental", base)
    end()
    daemon.assert_nothing_left(deadline=20)
    # A qcow2 image may have kept its bitmap: it is merged back, and the
    # checkpoint dropped, when QEMU is there again.
    for checkpoint in daemon.cli("checkpoint-list", "vm1")["checkpoints"]:
        t.check(checkpoint["name"] != "gone"
                or checkpoint["state"] == "tentative",
                f"after QEMU's end: {checkpoint}")
    t.check(daemon.alive(), "the daemon ended with QEMU")
    vm.end()
    vm.start()
    wait_until(lambda: daemon.cli("backup-begin", "vm1", check=False)
               .returncode == 0, 20, "no backup after QEMU came back")
    daemon.abort()
    # Bitmaps of the raw disk are gone with QEMU: full, with a reason.
    disks = daemon.begin("--incremental", base)["disk"]
    t.check(disks["vda"]["mode"] == "full" and disks["vda"]["reason"],
            f"vda after QEMU's end: {disks['vda']}")
    daemon.abort()
    names = str(daemon.cli("checkpoint-list", "vm1"))
    t.check("gone" not in names, f"checkpoints with QEMU back: {names}")
    bitmaps = str(vm.state()["bitmaps"])
    t.check("gone" not in bitmaps, f"bitmaps with QEMU back: {bitmaps}")
    daemon.assert_nothing_left()


def test(t):
    vm = VM(t, [Disk("vda", "raw", 32 * MIB), Disk("vdb", "qcow2", 32 * MIB)])
    daemon = Daemon(t)
    daemon.add(vm)
    start_load(t, vm, "rate=50")
    first_checkpoint(vm, daemon)
    for case in (after_abort, after_commit, after_client_death,
                 after_sigint):
        t.say(case.__name__)
        case(t, vm, daemon)
    stop_load(t, vm)
    for base, end in (("quit", vm.quit), ("killed", vm.kill9)):
        t.say(f"after QEMU's end: {base}")
        after_qemu(t, vm, daemon, base, end)


main(test)
