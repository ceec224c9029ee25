#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""When QEMU does not end its jobs, the backup is kept and its sink goes on,
because guest writes need it; a later abort or daemon ends it."""

import os
import subprocess

from pullbacktest import (MIB, VM, Daemon, Disk, main, start_load, stop_load,
                          wait_until)
from pullbacktest.context import alive


def start_proxy(t, vm, path, *mode):
    """A QMP peer that passes everything on but what MODE says."""
    process = subprocess.Popen(
        ["/usr/bin/python3",
         os.path.join(os.environ["PULLBACK_SRCDIR"], "tests", "fake-qemu",
                      "fake-qmp.py"),
         "--listen", path, *mode, "--real", vm.qmp_path],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)

    def end():
        process.kill()
        process.wait()
        process.stdout.close()
    t.defer(end)
    process.stdout.readline()
    return process


def test(t):
    vm = VM(t, [Disk("vda", "raw", 32 * MIB)])
    before = vm.state()
    path = t.path("p.qmp")
    proxy = start_proxy(t, vm, path, "refuse=job-cancel")
    daemon = Daemon(t)
    daemon.cli("domain-add", "vm1", "--qmp", path)
    start_load(t, vm, "rate=100")
    daemon.begin()
    sink = daemon.processes()["sink"]
    for _ in range(2):
        daemon.refuses("backup-abort", "vm1", saying=["abort it again"])
        t.check(alive(sink), "the sink was ended under QEMU's job")
    t.check(daemon.info()["state"] == "broken", f"{daemon.info()}")
    daemon.terminate()
    t.check(alive(sink), "the sink ended with the daemon")
    proxy.kill()
    proxy.wait()
    os.unlink(path)
    start_proxy(t, vm, path, "pass")
    daemon.start()
    wait_until(lambda: not daemon.files_left() and not daemon.children(), 40,
               lambda: f"left: {daemon.children()} {daemon.files_left()}")
    t.say(f"guest: {stop_load(t, vm)}")
    vm.assert_clean(before)


main(test)
