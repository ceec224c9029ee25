#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: faults
"""kill -9 of the view and of the gateway in the middle of a pull: a client
that connects again finishes, with the right bytes; the guest sees nothing."""

import time

from pullbacktest import (MIB, VM, Daemon, Disk, Failed, alive, freeze, kill,
                          main, same, start_load, stop_load, wait_until)
from pullbacktest.clients import open_nbd

STEP = 256 * 1024


def again(call, deadline=180):
    """CALL() until it does not fail: what a client that reconnects does."""
    import nbd
    end = time.monotonic() + deadline
    while True:
        try:
            return call()
        except nbd.Error as error:
            if time.monotonic() > end:
                raise Failed(f"no reconnect within {deadline} s: {error}")
            time.sleep(0.02)


def kill9(daemon, role, killed):
    """Ends the process that has this role now; backup-info is a moment
    behind, so one that was killed before is not meant."""
    def running():
        pid = daemon.pid_of(role)
        return pid if pid > 1 and pid not in killed and alive(pid) else None
    pid = wait_until(running, 10, f"the {role} was not started again")
    killed.add(pid)
    kill(pid)


def pull(t, daemon, disk, path, killed):
    """Reads it all, ending view or gateway at every eighth of the way."""
    size, offset, handle, reconnects = disk["size"], 0, None, 0
    victims = ["view", "gateway"] * 4
    with open(path, "wb") as out:
        while offset < size:
            if victims and offset >= size * (9 - len(victims)) // 10:
                kill9(daemon, victims.pop(), killed)

            def step():
                nonlocal handle, reconnects
                if handle is None:
                    handle = open_nbd(disk["uri"])
                    reconnects += 1
                try:
                    return handle.pread(min(STEP, size - offset), offset)
                except Exception:
                    handle = None
                    raise
            data = again(step)
            out.write(data)
            offset += len(data)
    t.say(f"{disk['name']}: {reconnects} connections")
    t.check(not victims and reconnects > 4, "nothing was killed in time")


def test(t):
    vm = VM(t, [Disk("vda", "raw", 64 * MIB), Disk("vdb", "qcow2", 64 * MIB)])
    daemon = Daemon(t)
    daemon.add(vm)
    start_load(t, vm, "rate=200")
    backup, references = freeze(t, vm, daemon)
    killed = set()
    for name, disk in backup["disk"].items():
        pull(t, daemon, disk, t.path("pull"), killed)
        same(references[name], t.path("pull"), f"{name} after eight kills")
    # Nothing else may have ended.
    wait_until(lambda: sum(daemon.info()["restarts"].values())
               == len(killed) == 16, 10, lambda: f"{len(killed)} kills, but "
               f"restarts: {daemon.info()['restarts']}")
    daemon.commit()
    stop_load(t, vm)
    daemon.assert_nothing_left()


main(test)
