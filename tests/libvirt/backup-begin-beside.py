#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""virsh backup-begin while a backup of ours is open, pulled and begun: QEMU refuses it, and
libvirtd, which in 9.0 a command of ours can crash then (libvirt-hold.h), still has the machine."""

import os
import subprocess
import threading
import time

from pullbacktest import MIB, Daemon, Disk, main, need, nbdcopy
from pullbacktest.libvirtd import Domain, Libvirtd
from pullbacktest.processes import alive

SIZE = 16 * MIB
TRIES = 6


def backup_begin(t, vm, pid):
    """May be done where it is before ours; then it is ended."""
    path = t.path("theirs.xml")
    with open(path, "w") as stream:
        stream.write(f"""<domainbackup mode='pull'>
  <server transport='unix' socket='{t.path("m/theirs.sock")}'/></domainbackup>""")
    done = vm.virsh("backup-begin", path, check=False)
    need(alive(pid), "libvirtd has crashed")
    if done.returncode == 0:
        vm.virsh("domjobabort")
    return done.returncode == 0


def beside_a_pull(t, vm, daemon, pid):
    uri = daemon.begin()["disk"]["vda"]["uri"]
    for _ in range(TRIES):
        t.check(not backup_begin(t, vm, pid), "beside ours it was done")
    reader = t.start("sh", "-c", 'while nbdcopy "$0" null:; do :; done', uri,
                     stderr=subprocess.DEVNULL)
    for _ in range(TRIES):
        t.check(not backup_begin(t, vm, pid), "beside a pull it was done")
    reader.kill()
    nbdcopy(uri, t.path("copy"))
    need(daemon.info()["state"] == "ready", f"{daemon.info()}")
    daemon.commit()


def beside_a_begin(t, vm, daemon, pid):
    """One of the two, or both, one after the other."""
    for _ in range(TRIES // 2):
        ours = threading.Thread(target=lambda: daemon.pullback(
            "backup-begin", "vm1", check=False))
        ours.start()
        time.sleep(t.random.uniform(0, 0.4))
        backup_begin(t, vm, pid)
        ours.join()
        daemon.pullback("backup-abort", "vm1", check=False)


def test(t):
    libvirtd = Libvirtd(t)
    vm = Domain(libvirtd, [Disk("vda", "raw", SIZE),
                           Disk("vdb", "qcow2", SIZE)], ordinary=True, boot=False)
    daemon = Daemon(t, within=libvirtd.within)
    vm.add_to(daemon)
    pid = libvirtd.pid
    try:
        beside_a_pull(t, vm, daemon, pid)
        beside_a_begin(t, vm, daemon, pid)
    finally:
        if not alive(pid):
            # By libvirt nobody ends it any more.
            os.kill(vm.pid, 9)
    vm.has_nothing_of_ours()
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
