#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""qemu-storage-daemon uses the memory of one write for the next: it does not get new
pages from the kernel for each, which costs more than to write them.  The benchmarks start theirs
as the daemon does."""

from pullbacktest import MIB, Daemon, main, nbdcopy
from pullbacktest.restore import restore_begin, storage_daemon, write_random
from pullbacktest.restoreside import STORAGE_VARIABLES

SIZE = 128 * MIB
PAGE = 4096


def faults(pid):
    """Pages that it got."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as stream:
        return int(stream.read().rpartition(")")[2].split()[7])


def environment(pid):
    with open(f"/proc/{pid}/environ", encoding="utf-8") as stream:
        return dict(word.split("=", 1) for word in stream.read().split("\0")
                    if "=" in word)


def test(t):
    source = write_random(t, t.path("source"), SIZE)
    daemon = Daemon(t)
    info = restore_begin(daemon, "web", "--image", t.path("disk.qcow2"),
                         "--create", "qcow2", "--size", str(SIZE))
    pid = storage_daemon(daemon, "web")
    found = environment(pid)
    t.check(STORAGE_VARIABLES.items() <= found.items(),
            f"not started as the kit has it: {found}")
    before = faults(pid)
    nbdcopy(source, info["uri"]["vda"])
    got = faults(pid) - before
    t.say(f"{got} pages for a disk of {SIZE // PAGE}")
    t.check(got < SIZE // PAGE // 2, f"{got} pages")
    daemon.cli("restore-commit", "web")
    daemon.terminate()


main(test)
