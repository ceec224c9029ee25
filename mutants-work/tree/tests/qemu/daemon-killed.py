#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: faults
"""kill -9 of the daemon during a pull, alone or with any of the backup's processes:
the next daemon goes on with the backup, which is what it was; a client that runs
across it ends well where its own gateway and view lived; the guest loses nothing,
and commit and the next incremental backup are as ever."""

import os
import subprocess

from pullbacktest import (MIB, VM, Daemon, Disk, alive, freeze, kill, main,
                          nbdcopy, need, pull_dirty, same, start_load,
                          stop_load, wait_until)

ROLES = ("sink", "view", "gateway")
# All that must be the same afterwards.
FACTS = ("state", "reason", "checkpoint", "incremental", "consumer", "started",
         "server", "frozen-ms", "consistency", "notes", "skipped")
DISK_FACTS = ("name", "node", "size", "mode", "reason", "incremental", "export",
              "consecutive-fulls", "source", "uri", "dirty-bytes", "uri-dirty",
              "context", "bases")


class SlowCopy:
    """A whole disk by a client that takes its time, over one connection."""

    def __init__(self, t, uri, path):
        self.t, self.path, self.uri = t, path, uri
        self.go = t.path("go")
        if os.path.exists(self.go):
            os.unlink(self.go)
        self.process = subprocess.Popen(
            ["/usr/bin/python3", "-c", """
import nbd, os, sys, time
h = nbd.NBD()
h.connect_uri(sys.argv[1])
with open(sys.argv[2], "wb") as out:
    for at in range(0, h.get_size(), 1 << 20):
        out.write(h.pread(1 << 20, at))
        print(at, flush=True)
        while at >= 4 << 20 and not os.path.exists(sys.argv[3]):
            time.sleep(0.01)
""", uri, path, self.go], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True)
        t.defer(self.process.stdout.close)
        t.defer(self.process.wait)
        t.defer(self.process.kill)
        while int(self.process.stdout.readline()) < 4 << 20:
            pass

    def finish(self):
        """Its exit status."""
        with open(self.go, "w"):
            pass
        self.process.stdout.read()
        return self.process.wait(timeout=120)


def facts(info):
    disks = [{key: disk.get(key) for key in DISK_FACTS}
             for disk in info["disks"]]
    return {key: info.get(key) for key in FACTS}, disks


def kill_with(daemon, roles):
    pids = {role: daemon.pid_of(role) for role in ROLES}
    daemon.kill9()
    for role in roles:
        kill(pids[role])
    for role in roles:
        wait_until(lambda: not alive(pids[role]), 10, f"the {role} stays")
    return pids


def check_taken_over(t, daemon, before, pids, roles, count):
    now = daemon.info()
    t.check(facts(now) == facts(before), f"was {before}, is {now}")
    t.check(now["adopted"] == count, f"adopted: {now['adopted']}")
    t.check(now["ttl-left"] <= before["ttl-left"], f"TTL: {now['ttl-left']}")
    for role in ROLES:
        if role in roles:
            t.check(now["restarts"][role] > before["restarts"][role],
                    f"{role}: {now['restarts']}")
        else:
            t.check(now["processes"][role] == pids[role],
                    f"the {role} is another one")
            t.check(now["restarts"][role] == before["restarts"][role],
                    f"{role}: {now['restarts']}")


def one_kill(t, vm, daemon, roles, more):
    """A backup during which the daemon and ROLES are killed, twice."""
    t.say(f"killed: daemon {' '.join(roles)}")
    backup, references = freeze(t, vm, daemon, "--ttl", "600", *more)
    for count in (1, 2):
        client = SlowCopy(t, backup["disk"]["vda"]["uri"], t.path("slow"))
        before = daemon.info()
        pids = kill_with(daemon, roles)
        daemon.start()
        check_taken_over(t, daemon, before, pids, roles, count)
        status = client.finish()
        if "view" not in roles and "gateway" not in roles:
            need(status == 0, f"the client across it ended with {status}")
            same(references["vda"], t.path("slow"), "pulled across it")
    for name, disk in backup["disk"].items():
        nbdcopy(disk["uri"], t.path("pull"))
        same(references[name], t.path("pull"), f"{name}, pulled afterwards")
    return backup, references


def test(t):
    vm = VM(t, [Disk("vda", "raw", 32 * MIB), Disk("vdb", "qcow2", 32 * MIB)])
    daemon = Daemon(t)
    daemon.add(vm)
    start_load(t, vm, "rate=100 max=65536")
    _, copies = one_kill(t, vm, daemon, (), ["--checkpoint", "c0"])
    daemon.commit()
    for i, roles in enumerate([("view",), ("gateway",), ("sink",), ROLES]):
        more = ["--checkpoint", f"c{i + 1}", "--incremental", f"c{i}"]
        backup, references = one_kill(t, vm, daemon, roles, more)
        for name, disk in backup["disk"].items():
            need(disk["mode"] == "incremental", f"{disk}")
            pull_dirty(disk, copies[name])
            same(references[name], copies[name], f"{name}: what changed")
        daemon.commit()
        need(daemon.cli("backup-list")["backups"] == [], "it did not end")
    t.say(f"guest: {stop_load(t, vm)}")
    daemon.assert_nothing_left()


main(test)
