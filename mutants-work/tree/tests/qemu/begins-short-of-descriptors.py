#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Many machines begin at once while the daemon has few descriptors: a begin that
is refused leaves no backup that somebody must abort."""

import subprocess
import threading

from pullbacktest import MIB, Daemon, main, wait_until
from pullbacktest.control import Control

MACHINES = 30


def machine(t, daemon, name):
    image, qmp = t.path(f"{name}.raw"), t.path(f"{name}.qmp")
    with open(image, "wb") as stream:
        stream.truncate(4 * MIB)
    process = subprocess.Popen(
        ["qemu-storage-daemon", "--blockdev",
         f"raw,node-name=disk,file.driver=file,file.filename={image}",
         "--chardev", f"socket,id=m,path={qmp},server=on,wait=off",
         "--monitor", "chardev=m"], stdin=subprocess.DEVNULL)
    t.defer(process.wait)
    t.defer(process.kill)
    wait_until(lambda: daemon.cli("domain-add", name, "--qmp", qmp, "--disk",
                                  "vda=disk", check=False).returncode == 0, 30,
               f"{name} cannot be added")


def test(t):
    daemon = Daemon(t, files="96:96")
    names = [f"vm{n}" for n in range(MACHINES)]
    for name in names:
        machine(t, daemon, name)
    refused, together = [], threading.Barrier(MACHINES)

    def begin(name):
        link = Control(daemon.socket, 150)
        together.wait()
        try:
            link("backup-begin", domain=name)
        except Exception:
            refused.append(name)
    threads = [threading.Thread(target=begin, args=(n,)) for n in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    t.check(refused, "no begin was refused")
    kept = [name for name in refused if daemon.cli(
        "backup-info", name, check=False).returncode == 0]
    t.check(not kept, f"refused, but there is a backup: {kept}")
    for name in set(names) - set(refused):
        daemon.abort(name)
    daemon.assert_nothing_left(10)


main(test)
