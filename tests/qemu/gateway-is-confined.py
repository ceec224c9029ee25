#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The gateway of a backup is another user without capabilities, whose system
calls are filtered in all threads, and serves clients all the same, from memory
that it shares with the view, also when either was started again.  A user who does
not exist is refused."""

import subprocess

from pullbacktest import (MIB, VM, Daemon, Disk, freeze, kill, main, nbdcopy,
                          run, same, wait_until)
from pullbacktest.clients import open_nbd

UID = "64123"                   # nobody's


def status_of(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f
                    if ":\t" in line)


def check_confined(t, pid, uid):
    status = wait_until(lambda: status_of(pid)["Seccomp"] == "2"
                        and status_of(pid), 10, "no filter")
    t.check(status["Uid"].split() == [uid] * 4, f"users {status['Uid']}")
    t.check(status["Gid"].split() == [uid] * 4, f"groups {status['Gid']}")
    t.check(uid == "0" or status["Groups"].split() == [],
            f"more groups {status['Groups']}")
    for name in "CapPrm", "CapEff", "CapInh", "CapAmb":
        t.check(int(status[name], 16) == 0, f"{name} {status[name]}")
    t.check(status["NoNewPrivs"] == "1", "it may gain privileges")


def shares_memory(daemon):
    """For a client that is connected."""
    def mappings(role):
        with open(f"/proc/{daemon.pid_of(role)}/maps", encoding="utf-8") as f:
            return sum("memfd:pullback" in line for line in f)
    return mappings("gateway") == mappings("view") == 1


def reads_by_memory(uri, daemon):
    handle = open_nbd(uri)
    handle.pread(MIB, 0)
    # The client before may not have been let go of yet.
    wait_until(lambda: shares_memory(daemon), 20, "payload goes over the socket")
    handle.shutdown()


def starts_again(daemon, role):
    first = daemon.pid_of(role)
    kill(first)
    wait_until(lambda: daemon.pid_of(role) != first, 20, "none again")


def pulls(t, vm, daemon, uid):
    backup, references = freeze(t, vm, daemon)
    uri = backup["disks"][0]["uri"]
    check_confined(t, daemon.pid_of("gateway"), uid)
    reads_by_memory(uri, daemon)
    nbdcopy(uri, t.path("pull"))
    same(references["vda"], t.path("pull"), "the pull")
    starts_again(daemon, "gateway")
    check_confined(t, daemon.pid_of("gateway"), uid)
    run("nbdinfo", "--map", uri)
    reads_by_memory(uri, daemon)
    starts_again(daemon, "view")
    wait_until(lambda: run("nbdinfo", uri, check=False).returncode == 0, 20,
               "no view")
    reads_by_memory(uri, daemon)
    nbdcopy(uri, t.path("pull"))
    same(references["vda"], t.path("pull"), "the second pull")
    daemon.abort()


def test(t):
    vm = VM(t, [Disk("vda", "raw", 32 * MIB)], boot=False)
    daemon = Daemon(t, more=["--gateway-user", UID])
    daemon.add(vm)
    pulls(t, vm, daemon, UID)
    daemon.end()
    daemon.more = ["--gateway-user", "0"]
    daemon.start()
    pulls(t, vm, daemon, "0")
    refused = subprocess.run(["pullback-backupd", "--runtime-dir",
                              t.path("other"), "--state-dir", t.path("state"),
                              "--gateway-user", "no-such-user"],
                             capture_output=True, text=True, timeout=30)
    t.check(refused.returncode == 1 and "no-such-user" in refused.stderr,
            f"status {refused.returncode}: {refused.stderr}")


main(test)
