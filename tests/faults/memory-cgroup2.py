#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: faults
"""With Debian 12's own kernel and version 2 of control groups, a process of a backup that
gets no memory is ended, another one takes its place, what QEMU writes meanwhile is
written, and the pull is right."""

import glob
import itertools
import os
import sys
import time

from pullbacktest import (MIB, VM, Daemon, Disk, alive, main, need, nbdcopy, run,
                          same, wait_until)
from pullbacktest.guestprogram import run_in_guest
from pullbacktest.nbdserver import PLUGIN
from pullbacktest.processes import command_line, descendants

from fault_memory import MemoryGroup

SIZE = 8 * MIB
# A processor that is emulated, and does all.
PATIENCE = 120
DEADLINE = 560
PROGRAMS = ["/usr/bin/python3", "qemu-system-x86_64", "qemu-img", "nbdkit", "nbdcopy",
            "pullback", "pullback-backupd", "pullback-gateway",
            "pullback-quiesce"]
SCRIPT = """
uname -r
mount -t cgroup2 none /sys/fs/cgroup
echo +memory >/sys/fs/cgroup/cgroup.subtree_control
ip link set lo up
# Where QEMU looks from for what it needs, and the daemon for nbdkit.
mv /bin/qemu-system-x86_64 /bin/nbdkit /usr/bin
export PULLBACK_PLUGIN=/bin/nbdkit-pullback-plugin.so PULLBACK_SRCDIR=/test
export PYTHONPATH=/test/tests/lib PYTHONHOME=/usr PYTHONDONTWRITEBYTECODE=1
python3 tests/faults/memory-cgroup2.py inside
"""


def files():
    """What Python, QEMU and the test read besides, where they look for it."""
    found = {}
    top = os.environ["PULLBACK_SRCDIR"]
    for pattern in "tests/lib/pullbacktest/*.py", "tests/faults/*.py":
        for path in glob.glob(pattern, root_dir=top):
            found["/test/" + path] = os.path.join(top, path)
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for folder, _, names in os.walk(f"/usr/lib/{version}"):
        if "test" not in folder and "__pycache__" not in folder:
            found.update((path, path) for path in
                         (os.path.join(folder, name) for name in names)
                         if os.path.isfile(path))
    for pattern in ("/usr/lib/python3/dist-packages/nbd.py",
                    "/usr/lib/python3/dist-packages/libnbdmod*",
                    "/usr/share/seabios/*", "/usr/share/qemu/*.bin",
                    "/usr/lib/*/qemu/accel-*.so"):
        found.update((path, path) for path in glob.glob(pattern))
    return found


def pids_of(role, daemon):
    if role == "daemon":
        return [daemon.pid]
    word = "pullback-gateway" if role == "gateway" else f"role={role}"
    return [pid for pid in descendants(os.getpid()) if word in command_line(pid)]


NUMBERS = itertools.cycle(range(SIZE // 65536))


def write(vm):
    """Old data has to go out first, the first time round."""
    number = next(NUMBERS)
    said = vm.qmp.hmp("qemu-io -d /machine/peripheral/vda/virtio-backend "
                      f"\"write -P {number} {number * 65536} 65536\"")
    need(not said.strip() or "wrote" in said, f"qemu-io: {said}")


def end_for_memory(role, vm, daemon, uri):
    pids = pids_of(role, daemon)
    with MemoryGroup.find() as group:
        need(group.version == 2, f"version {group.version}")
        for pid in pids:
            group.add(pid)
        group.close_in()

        def ended():
            # One that has nothing to do needs nothing.
            daemon.cli("backup-info", "vm1", check=False)
            write(vm)
            run("nbdcopy", uri, "null:", check=False, timeout=PATIENCE)
            return not any(map(alive, pids))
        wait_until(ended, PATIENCE, f"the {role} lives without memory")
    if role == "daemon":
        daemon.process.wait(timeout=PATIENCE)
        daemon.start()


def test_inside(t):
    # Zeros would cost a store nothing.
    path = t.path("vda.raw")
    with open(path, "wb") as stream:
        stream.write(t.random.randbytes(SIZE))
    vm = VM(t, [Disk("vda", "raw", SIZE, path=path)], boot=False)
    daemon = Daemon(t)
    daemon.add(vm)
    for role in "sink", "view", "gateway", "daemon":
        reference = vm.reference_copy(vm.disks["vda"], t.path("reference"))
        disk = daemon.begin()["disk"]["vda"]
        write(vm)
        end_for_memory(role, vm, daemon, disk["uri"])
        begin = time.monotonic()
        write(vm)
        t.say(f"no memory for the {role}: a write took "
              f"{time.monotonic() - begin:.1f} s")
        nbdcopy(disk["uri"], t.path("pull"))
        same(reference, t.path("pull"), f"the pull after the {role}")
        daemon.commit()
    daemon.assert_nothing_left(deadline=PATIENCE)


def test(t):
    modules = glob.glob("/usr/lib/python3*/lib-dynload/*.so")
    t.say(run_in_guest(t, SCRIPT, [*PROGRAMS, PLUGIN, *modules], files=files(),
                       memory=2048, deadline=DEADLINE))


main(test_inside if sys.argv[1:] == ["inside"] else test)
