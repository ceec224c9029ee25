#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: faults
"""libvirtd is killed in the middle of a begin, when QEMU has the job and before it is looked at:
the begin fails, and when libvirtd is back all of it is undone, unasked."""

import os

from pullbacktest import (MIB, Daemon, Disk, main, need, start_load,
                          stop_load, wait_until)
from pullbacktest.libvirtd import Domain, Libvirtd
from pullbacktest.liststeps import in_haste


def killed_at(t, libvirtd, daemon, pause, step):
    with open(pause, "w") as stream:
        stream.write(step)
    client = t.start("pullback", "--socket", daemon.socket, "backup-begin",
                     "vm1", "--checkpoint", "mon")
    wait_until(lambda: os.path.exists(pause + ".paused"), 40, "no pause")
    libvirtd.kill9()
    os.unlink(pause + ".paused")
    need(client.wait(timeout=60) != 0, f"{step}: done without libvirtd")
    libvirtd.start_again()
    wait_until(lambda: not daemon.files_left() and not daemon.children(), 60,
               lambda: f"{step}: left {daemon.files_left()} "
               f"{daemon.children()}\n{daemon.log_text()[-2000:]}")


def test(t):
    pause = t.path("pause")
    libvirtd = Libvirtd(t)
    vm = Domain(libvirtd, [Disk("vda", "raw", 16 * MIB),
                           Disk("vdb", "qcow2", 16 * MIB)])
    daemon = Daemon(t, within=libvirtd.within,
                    env={"PULLBACK_PAUSE": pause, **in_haste(4)})
    daemon.cli("domain-add", "vm1", "--libvirt", libvirtd.uri)
    before = vm.state()
    start_load(t, vm, "rate=200")
    for step in ("freeze", "thaw"):
        killed_at(t, libvirtd, daemon, pause, step)
        vm.assert_clean(before)
    t.check(not daemon.cli("checkpoint-list", "vm1")["checkpoints"],
            "a checkpoint of a begin that failed")
    daemon.begin("--checkpoint", "mon")
    daemon.commit()
    said = stop_load(t, vm)
    t.check(not said["errors"], f"the guest says {said}")
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
