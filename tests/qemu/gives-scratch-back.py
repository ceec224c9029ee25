#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: faults
"""--consume, beside a guest that writes: a client that trims what it has read
keeps the scratch small, what it trimmed cannot be read again, what it did not
is as frozen, whatever process was killed meanwhile, and the next incremental
backup has every byte."""

import errno
import os

from pullbacktest import (MIB, VM, Daemon, Disk, freeze, kill, main,
                          pull_dirty, same, start_load, stop_load, wait_until)
from pullbacktest.clients import extents, fails, open_nbd

SIZE = 32 * MIB
HALF = SIZE // 2


def client(t, disk):
    handle = open_nbd(disk["uri"])
    t.check(handle.can_trim(), "its exports cannot be trimmed")
    return handle


def pull(t, disk, reference, copy, begin, end, trim=True):
    """Reads, compares, keeps and gives back."""
    handle = client(t, disk)
    with open(reference, "rb") as want, open(copy, "r+b") as out:
        for at in range(begin, end, MIB):
            data = handle.pread(MIB, at)
            t.check(data == os.pread(want.fileno(), MIB, at),
                    f"{at}: not what was frozen")
            os.pwrite(out.fileno(), data, at)
            if trim:
                handle.trim(MIB, at)
    handle.shutdown()


def scratch(daemon):
    return daemon.info()["scratch"]


def taken(daemon):
    """Some of it may be the file system's own."""
    return os.stat(f"{daemon.scratch}/vm1/vda.data").st_blocks * 512


def used_becomes(daemon, used):
    wait_until(lambda: scratch(daemon)["used"] == used, 10,
               lambda: f"want {used}: {scratch(daemon)}")


def gone(t, disk, begin, end):
    handle = open_nbd(disk["uri"])
    for at in range(begin, end, MIB):
        fails(errno.EPERM, lambda: handle.pread(512, at + 512))
    handle.shutdown()
    # Not zeros for a client that skips holes; and it is known to be there.
    for context, flags in ("base:allocation", 0), ("pullback:served", 3):
        found = extents(disk["uri"], context, begin, end - begin)
        t.check(found == [(begin, end - begin, flags)], f"{context}: {found}")


def falls(t, vm, daemon):
    """Old data is kept until it is given back."""
    vm.guest(f"write vda 0 {8 * MIB} 21")
    wait_until(lambda: scratch(daemon)["used"] >= 8 * MIB, 20,
               lambda: f"{scratch(daemon)}")
    before = taken(daemon)
    handle = client(t, daemon.info()["disks"][0])
    handle.trim(6 * MIB, 0)
    handle.shutdown()
    t.check(taken(daemon) < before - 6 * MIB + 65536,
            f"{before}, then {taken(daemon)} bytes are taken")
    used_becomes(daemon, 2 * MIB)
    t.check(f'scratch_used_bytes{{domain="vm1"}} {2 * MIB}\n'
            in daemon.pullback("metrics").stdout, "metrics do not fall")


def not_kept_again(t, vm, daemon, disk):
    """Given back before the guest writes there."""
    handle = client(t, disk)
    handle.trim(SIZE, 0)
    handle.shutdown()
    before = scratch(daemon)
    vm.guest(f"write vdb 0 {8 * MIB} 22")
    wait_until(lambda: scratch(daemon)["writes"] > before["writes"], 20,
               "the sink hears of no write")
    used_becomes(daemon, before["used"])
    gone(t, disk, 0, SIZE)


def all_killed(t, daemon):
    """One after the other; the daemon last, which takes the backup over."""
    for role in "view", "gateway", "sink":
        old = daemon.pid_of(role)
        kill(old)
        wait_until(lambda: daemon.pid_of(role) not in (None, old), 20,
                   f"no new {role}")
    daemon.kill9()
    daemon.start()
    t.check(daemon.info()["adopted"] == 3, f"{daemon.info()}")


def torn(t, daemon, name):
    """All are killed, and a file is torn: what is stored still counts."""
    used = scratch(daemon)["used"]
    pids = [daemon.pid_of(role) for role in ("sink", "view", "gateway")]
    daemon.kill9()
    for pid in pids:
        kill(pid)
    path, = [os.path.join(folder, name) for folder, _, names
             in os.walk(daemon.runtime) if name in names]
    with open(path, "r+b") as f:
        f.write(bytes(os.path.getsize(path)))
    daemon.start()
    now = scratch(daemon)
    t.check(used > 0 and (now["used"], now["host-used"]) == (used, used),
            f"{used}, and without {name} {now}")


def test(t):
    vm = VM(t, [Disk("vda", "raw", SIZE), Disk("vdb", "qcow2", SIZE)])
    daemon = Daemon(t, more=["--scratch-limit", "1G"])
    daemon.add(vm)
    with open(vm.disks["vda"].path, "r+b") as f:
        for at in range(0, SIZE, MIB):
            os.pwrite(f.fileno(), t.random.randbytes(MIB), at)
    vm.guest(f"write vdb 0 {16 * MIB} 20")
    backup, references = freeze(t, vm, daemon, "--consume", "--checkpoint",
                                "mon")
    disk, reference = backup["disk"]["vda"], references["vda"]
    copy = t.path("pulled")
    t.check(backup["consume"] is True, f"{backup}")
    with open(copy, "wb") as f:
        f.truncate(SIZE)
    pull(t, disk, reference, copy, 0, 8 * MIB, trim=False)
    falls(t, vm, daemon)
    not_kept_again(t, vm, daemon, backup["disk"]["vdb"])
    torn(t, daemon, "scratch-figures")
    torn(t, daemon, ".scratch-ledger")
    start_load(t, vm, "max=65536", ["vda"])
    pull(t, disk, reference, copy, 8 * MIB, HALF)
    all_killed(t, daemon)
    gone(t, disk, 8 * MIB, HALF)
    pull(t, disk, reference, copy, 6 * MIB, 8 * MIB)
    pull(t, disk, reference, copy, HALF, SIZE)
    gone(t, disk, 0, SIZE)
    gone(t, backup["disk"]["vdb"], 0, SIZE)
    same(reference, copy, "the pull")
    handle = client(t, disk)
    handle.trim(SIZE, 0)
    handle.shutdown()
    t.say(f"guest: {stop_load(t, vm)}, {scratch(daemon)['writes']} writes")
    used_becomes(daemon, 0)
    t.check(taken(daemon) < 65536, f"{taken(daemon)} bytes are taken")
    # QEMU connects again where it writes; the end would wait for that.
    vm.guest(f"write vdb {HALF} 65536 21")
    daemon.commit()
    daemon.assert_nothing_left()
    backup, references = freeze(t, vm, daemon, "--incremental", "mon")
    pull_dirty(backup["disk"]["vda"], copy)
    same(references["vda"], copy, "the next incremental")
    t.check(backup["consume"] is False, f"{backup}")
    t.check(open_nbd(backup["disk"]["vda"]["uri"]).is_read_only(),
            "without --consume it is not read-only")
    daemon.abort()
    daemon.assert_nothing_left()


main(test)
