#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: faults
# mark: sanitizers
"""The guest writes, discards and zeroes at random while several clients pull qcow2 disks
of each layout, one of them on an iothread, some with snapshots or as one that was deleted
half way left them, which the view maps itself; the view is killed,
then the daemon, which is started again: each copy is byte for byte that of the freeze."""

import contextlib
import os
import signal
import threading

from pullbacktest import (MIB, VM, Daemon, LAYOUTS, chain, freeze, kill, main,
                          nbdcopy, run, same, start_load, stop_load, wait_until)
from pullbacktest.chains import tangle, unmark

SIZE = 48 * MIB


def pull(t, backup, references, disturb=None):
    """All disks at once; DISTURB meanwhile."""
    for name in backup["disk"]:
        with contextlib.suppress(FileNotFoundError):    # an earlier pull's
            os.unlink(t.path(f"{name}.copy"))
    threads = [threading.Thread(target=nbdcopy, args=(
        disk["uri"], t.path(f"{name}.copy"), "--connections=2"))
        for name, disk in backup["disk"].items()]
    for thread in threads:
        thread.start()
    if disturb:
        disturb()
    for thread in threads:
        thread.join()
    for name, reference in references.items():
        same(reference, t.path(f"{name}.copy"), name)


def kill_view(daemon, backup):
    """Clients, who would wait for the next one no longer than the gateway, come then."""
    view = daemon.pid_of("view")
    kill(view, signal.SIGKILL)
    wait_until(lambda: daemon.pid_of("view") not in (0, None, view), 10,
               "no new view")
    for disk in backup["disks"]:
        wait_until(lambda uri=disk["uri"]: run("nbdinfo", "--size", uri, check=False)
                   .returncode == 0, 20, f"{disk['name']} is not shown again")


def test(t):
    disks = [chain(t, layout, SIZE) for layout in LAYOUTS]
    disks += [chain(t, "usual", SIZE, "o", direct=True),
              chain(t, "over", SIZE, "io", iothread=True)]
    disks += [chain(t, layout, SIZE, name) for layout, name in
              (("small", "snapshots"), ("small", "left"), ("large", "largeleft"))]
    tangle(t, disks[-3].path, SIZE)
    for disk in disks[-2:]:
        unmark(disk.path)
    vm = VM(t, disks)
    daemon = Daemon(t)
    daemon.add(vm)
    start_load(t, vm, "rate=40 max=262144")
    backup, references = freeze(t, vm, daemon, "--checkpoint", "mon")
    for disk in daemon.info()["disks"]:
        t.check(disk["source"].startswith("qcow2"), f"{disk}")
    pull(t, backup, references)
    kill_view(daemon, backup)
    pull(t, backup, references)
    daemon.kill9()
    daemon.start()
    wait_until(lambda: daemon.info()["state"] == "ready", 20, "not adopted")
    kill_view(daemon, backup)
    pull(t, backup, references)
    daemon.commit()
    t.say(f"guest: {stop_load(t, vm)}")
    t.check("is not what its image has" not in daemon.log_text(),
            "the view does not believe its tables")
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
