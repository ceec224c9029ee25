#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: faults
"""The programs of docs/resuming.md: killed half way, as is the gateway, they go
on where they were, in a full and in an incremental backup, while backup-info
tells how far they are."""

import os
import signal
import subprocess
import time

from pullbacktest import (MIB, VM, Daemon, Disk, kill, main, need_programs,
                          same, wait_until)
from pullbacktest.clients import extents, open_nbd
from pullbacktest.pages import write_program

SIZE = 128 * MIB
HALF = 16 * MIB
# So that somebody who looks sees it half way.
SLOWLY = ("--max-rate", "64M")


def programs(t):
    def impatient(text):
        # Confirmed more often, so that there is a half way.
        assert "64 << 20" in text
        return text.replace("64 << 20", "2 << 20")

    return [write_program(t, "resuming.md", kind, impatient)
            for kind in ("python", "sh")]


def progress(daemon, name="vda"):
    info = daemon.cli("backup-info", "vm1", "--progress")
    assert set(info) == {"domain", "state", "reason", "progress", "disks"}, info
    return next(disk for disk in info["disks"] if disk["name"] == name)


def confirmed(source):
    return [(o, n) for o, n, flags in extents(source, "pullback:served")
            if flags == 3]


def bytes_of(ranges):
    return sum(n for _, n in ranges)


def killed_half_way(t, program, uri, path):
    """Runs it until some is confirmed, which it has then stored."""
    handle = open_nbd(uri, ["pullback:served"])
    process = subprocess.Popen([program, uri, path], start_new_session=True)
    t.defer(process.wait)
    end = time.monotonic() + 60
    while bytes_of(confirmed(handle)) < HALF and process.poll() is None \
            and time.monotonic() < end:
        pass
    t.check(process.poll() is None, "it has ended")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = bytes_of(confirmed(handle))
    t.check(HALF <= before < SIZE, f"killed at {before} bytes")
    return before


def lose_what_is_not_confirmed(uri, path):
    """As a machine that lost its power."""
    with open(path, "r+b") as f:
        for offset, length, flags in extents(uri, "pullback:served"):
            if flags != 3:
                f.seek(offset)
                for at in range(offset, offset + length, MIB):
                    f.write(b"\xee" * min(MIB, offset + length - at))


def full(t, vm, daemon, python):
    backup = daemon.begin("--checkpoint", "mon", *SLOWLY)
    disk = backup["disk"]["vda"]
    t.check((disk["served"], disk["confirmed"], disk["left"])
            == (0, 0, disk["size"]), disk)
    vm.pause()
    reference = vm.reference_copy("vda", t.path("ref"))
    vm.resume()
    copy = t.path("full")
    before = killed_half_way(t, python, disk["uri"], copy)
    kill(daemon.pid_of("gateway"))
    wait_until(lambda: progress(daemon)["confirmed"] == before, 10,
               "backup-info does not tell")
    lose_what_is_not_confirmed(disk["uri"], copy)
    subprocess.run([python, disk["uri"], copy], check=True, timeout=60)
    same(reference, copy, "the resumed pull")
    wait_until(lambda: progress(daemon)["left"] == 0, 10, "it never ends")
    t.check(progress(daemon)["confirmed"] == SIZE, progress(daemon))
    daemon.commit()
    daemon.assert_nothing_left()
    return copy


def script(t, daemon, shell):
    backup = daemon.begin(*SLOWLY)
    uri = backup["disk"]["vda"]["uri"]
    copy = t.path("script")
    killed_half_way(t, shell, uri, copy)
    lose_what_is_not_confirmed(uri, copy)
    subprocess.run([shell, uri, copy], check=True, timeout=60)
    return copy


def changes(t, vm, daemon, python, copy):
    for i in range(20):
        vm.guest(f"write vda {(7 + 6 * i) * MIB} {MIB} {i}")
    disk = daemon.begin("--checkpoint", "tue", "--incremental",
                        "mon")["disk"]["vda"]
    vm.pause()
    reference = vm.reference_copy("vda", t.path("ref2"))
    vm.resume()
    t.check(disk["left"] == disk["dirty-bytes"] == 20 * MIB, disk)
    # Clean ranges that are read are no part of the delta.
    extents(disk["uri"])
    subprocess.run([python, disk["uri-dirty"], copy], check=True, timeout=60)
    same(reference, copy, "the delta")
    wait_until(lambda: progress(daemon)["left"] == 0, 10, "it never ends")
    t.check(progress(daemon)["served"] == 20 * MIB, progress(daemon))
    subprocess.run([python, disk["uri"], t.path("all")], check=True,
                   timeout=60)
    wait_until(lambda: bytes_of(confirmed(disk["uri"])) == SIZE, 10,
               "it is not confirmed")
    t.check(progress(daemon)["served"] == 20 * MIB, progress(daemon))


def test(t):
    need_programs("nbdinfo", "nbdsh")
    python, shell = programs(t)
    # nbdsh is of the system's Python.
    os.environ["PATH"] = "/usr/bin:" + os.environ["PATH"]
    vm = VM(t, [Disk("vda", "raw", SIZE)])
    daemon = Daemon(t)
    daemon.add(vm)
    with open(vm.disks["vda"].path, "r+b") as f:
        for at in range(0, SIZE, MIB):
            f.seek(at)
            f.write(t.random.randbytes(MIB))
    copy = full(t, vm, daemon, python)
    mine = script(t, daemon, shell)
    same(copy, mine, "the script's pull")
    daemon.abort()
    changes(t, vm, daemon, python, copy)
    daemon.abort()
    daemon.assert_nothing_left()


main(test)
