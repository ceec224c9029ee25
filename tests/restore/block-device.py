#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A block device is restored in place.  Its mark is in the state folder: it is known
after a daemon that was killed, until it was restored again.  A virtual machine that has
it by a node of its own, as in a mount namespace of libvirt's, is seen."""

import os
import stat
import subprocess

from pullbacktest import Daemon, MIB, Skip, kill, main, run, same
from pullbacktest.restore import (process_of, restore_begin, restores,
                                  write_random)

SIZE = 8 * MIB


def loop_device(t, path):
    done = subprocess.run(["losetup", "-f", "--show", path], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise Skip(f"no loop device: {done.stderr.strip()}")
    t.defer(run, "losetup", "-d", done.stdout.strip())
    return done.stdout.strip()


def other_node(t, device):
    """One that another mount namespace could have."""
    node = t.path("node")
    os.mknod(node, stat.S_IFBLK | 0o600, os.stat(device).st_rdev)
    try:
        os.close(os.open(node, os.O_RDONLY))
    except PermissionError:
        raise Skip("no device nodes here") from None
    return node


def hold(t, node, flags):
    """A process that has it open."""
    fd = os.open(node, flags)
    try:
        child = subprocess.Popen(["sleep", "1000"], stdin=fd)
    finally:
        os.close(fd)
    t.defer(end, child)
    return child


def by_another_node(t, daemon, device, source):
    """QEMU's locks do not meet there."""
    node = other_node(t, device)
    begin = ("restore-begin", "dev", "--image", device, "--format", "raw")
    reader = hold(t, node, os.O_RDONLY)
    daemon.refuses(*begin, saying=(device, "in use", str(reader.pid), "sleep"))
    end(reader)
    info = restore_begin(daemon, *begin[1:])
    run("nbdcopy", source, info["uri"]["vda"])
    writer = hold(t, node, os.O_RDWR)
    daemon.refuses("restore-commit", "dev",
                   saying=(device, str(writer.pid), "sleep"))
    t.check(restores(daemon) == {"dev": "broken"}, f"{restores(daemon)}")
    end(writer)
    daemon.cli("restore-abort", "dev")
    t.check(restores(daemon) == {"dev": "half"}, f"{restores(daemon)}")
    info = restore_begin(daemon, *begin[1:])
    run("nbdcopy", source, info["uri"]["vda"])
    daemon.cli("restore-commit", "dev")
    t.check(restores(daemon) == {}, f"{restores(daemon)}")


def end(child):
    child.kill()
    child.wait()


def test(t):
    device = loop_device(t, write_random(t, t.path("disk"), SIZE))
    source = write_random(t, t.path("source"), SIZE)
    daemon = Daemon(t)
    info = restore_begin(daemon, "dev", "--image", device, "--format", "raw")
    t.check(info["disks"][0]["size"] == SIZE, f"{info}")
    run("nbdcopy", source, info["uri"]["vda"])
    daemon.kill9()
    kill(process_of(daemon, "dev", "plugin"))
    daemon.start()
    t.check(restores(daemon) == {"dev": "half"}, f"{restores(daemon)}")
    daemon.refuses("restore-begin", "other", "--image", device, "--format",
                   "raw", saying=(device, "dev", "half"))
    info = restore_begin(daemon, "dev", "--image", device, "--format", "raw")
    run("nbdcopy", source, info["uri"]["vda"])
    daemon.cli("restore-commit", "dev")
    t.check(restores(daemon) == {}, f"{restores(daemon)}")
    run("blockdev", "--flushbufs", device)
    same(source, t.path("disk"), "block device")
    by_another_node(t, daemon, device, source)
    daemon.terminate()


main(test)
