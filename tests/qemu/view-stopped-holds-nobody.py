#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A view that is stopped while it reads through QEMU, or asks it for a map, does
not hold QEMU up: it pauses at once, which waits for all its requests, those of
its NBD server, too."""

import os
import signal
import subprocess
import time

from pullbacktest import MIB, VM, Daemon, Disk, kill, main, run

DENSE, SCATTERED = 32 * MIB, 16 * MIB
STEP = 512


def image(t, name, size, step):
    """With STEP of data, and as much of nothing, in turn."""
    raw, disk = t.path("raw"), Disk(name, "qcow2", size, path=t.path(name))
    with open(raw, "wb") as f:
        f.truncate(size)
        for at in range(0, size, 2 * step):
            f.seek(at)
            f.write(t.random.randbytes(step))
    run("qemu-img", "convert", "-S", "512", "-O", "qcow2", "-o",
        f"cluster_size={STEP}", raw, disk.path)
    return disk


def again_and_again(t, command, enough):
    return t.start("sh", "-c", f"while [ ! -e {enough} ]; do "
                   f"{command} || exit; done", stdout=subprocess.DEVNULL)


def stopped_at(t, vm, daemon, what):
    """While somebody does WHAT all the time."""
    view = daemon.pid_of("view")
    for _ in range(10):
        time.sleep(t.random.random() / 10)      # any moment of it
        kill(view, signal.SIGSTOP)
        try:
            start = time.monotonic()
            vm.pause()
            took = time.monotonic() - start
        finally:
            kill(view, signal.SIGCONT)
        t.check(took < 10, f"{what}: QEMU took {took:.1f} s to pause")


def test(t):
    vm = VM(t, [image(t, "vda", DENSE, DENSE // 2),
                image(t, "vdb", SCATTERED, STEP)], boot=False)
    daemon = Daemon(t)
    daemon.add(vm)
    for disk in vm.disks.values():
        os.rename(disk.path, disk.path + ".gone")       # only QEMU has it
    backup = daemon.begin()
    sources = {disk["source"] for disk in daemon.info()["disks"]}
    t.check(sources == {"relay"}, f"read by {sources}")
    uri = {name: disk["uri"] for name, disk in backup["disk"].items()}
    for command, what in (
            (f"nbdcopy --request-size=4194304 '{uri['vda']}' null:", "read"),
            (f"nbdinfo --map '{uri['vdb']}'", "map")):
        enough = t.path(f"enough-{what}")
        somebody = again_and_again(t, command, enough)
        stopped_at(t, vm, daemon, what)
        open(enough, "w").close()
        t.check(somebody.wait(timeout=60) == 0, f"{what}: the client failed")
    daemon.commit()
    daemon.assert_nothing_left()


main(test)
