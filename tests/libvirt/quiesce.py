#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: faults
"""--quiesce of an ordinary virtual machine of libvirt, which has the channel of its guest
agent: the file system in the backup needs no recovery.  The guest is thawed also where
what speaks to libvirt hangs meanwhile, or the daemon dies."""

import os
import signal
import subprocess
import time

from pullbacktest import (MIB, Daemon, Disk, main, nbdcopy, need, run,
                          wait_until)
from pullbacktest.libvirtd import Domain, Libvirtd
from pullbacktest.processes import command_line, descendants

# Less than the 10 s after which a guest is thawed whoever lives.
FREEZE_LIMIT = 8


def writes(vm):
    return vm.qmp("query-blockstats")[0]["stats"]["wr_operations"]


def wait_writing(vm, what):
    before = writes(vm)
    wait_until(lambda: writes(vm) > before, 20, what)


def needs_recovery(path):
    return "needs_recovery" in run("dumpe2fs", "-h", path).stdout


def quiesced_is_clean(t, vm, daemon):
    for words, dirty in ((["--quiesce"], False), ([], True)):
        wait_writing(vm, "the guest does not write")
        backup = daemon.begin(*words)
        nbdcopy(backup["disk"]["vda"]["uri"], t.path("copy"))
        daemon.commit()
        t.say(f"{backup['consistency']}, {backup.get('quiesced-ms')} ms, "
              f"{backup['frozen-ms']:.1f} ms")
        t.check((backup["consistency"] == "quiesced") != dirty and
                needs_recovery(t.path("copy")) == dirty,
                f"{words}: {backup['consistency']}, "
                f"{backup.get('consistency-reason')}")


def messenger_hangs(t, vm, daemon, agent):
    """Where what has frozen the guest says nothing more, another one thaws it."""
    process = subprocess.Popen(
        [*daemon.within, "pullback-quiesce", "--agent", agent],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline().strip()
    need(line == "frozen 1", f"pullback-quiesce says {line!r}")
    pid, = [pid for pid in descendants(process.pid)
            if "pullback-libvirt" in command_line(pid)]
    os.kill(pid, signal.SIGSTOP)
    out, _ = process.communicate("thaw\n", timeout=60)
    t.check(out.startswith("thawed"), out)
    wait_writing(vm, "the guest stays frozen")


def daemon_dies(t, vm, daemon):
    daemon.terminate()
    daemon.env["PULLBACK_STOP_AFTER"] = "quiesce"
    daemon.start()
    done = daemon.cli("backup-begin", "vm1", "--quiesce", check=False)
    need(done.returncode != 0, "built without --enable-stop-after")
    daemon.process.wait(timeout=60)
    died = time.monotonic()
    wait_writing(vm, "the guest stays frozen after the daemon died")
    took = time.monotonic() - died
    t.check(took < FREEZE_LIMIT, f"thawed {took:.1f} s after the daemon died")
    del daemon.env["PULLBACK_STOP_AFTER"]
    daemon.start()


def test(t):
    disk = t.path("vda.raw")
    with open(disk, "wb") as out:
        out.truncate(256 * MIB)
    run("mke2fs", "-q", "-F", "-t", "ext4", disk)
    libvirtd = Libvirtd(t)
    vm = Domain(libvirtd, [Disk("vda", "raw", 256 * MIB, path=disk)],
                ordinary=True, agent=True)
    vm.guest("mount vda")
    vm.guest("fswork seed=7")
    daemon = Daemon(t, within=libvirtd.within)
    vm.add_to(daemon)
    wait_until(lambda: vm.virsh("domfsfreeze", check=False).returncode == 0, 30,
               "the agent does not come")
    vm.virsh("domfsthaw")
    quiesced_is_clean(t, vm, daemon)
    messenger_hangs(t, vm, daemon, f"{libvirtd.uri} {vm.uuid}")
    daemon_dies(t, vm, daemon)
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
