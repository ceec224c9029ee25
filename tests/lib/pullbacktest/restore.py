# SPDX-License-Identifier: LGPL-2.1-or-later
"""Restores: begun, written to, and what is left of an image."""

import os

from .clients import run
from .outcome import wait_until
from .processes import command_line, descendants

MARK = ".restore-in-progress"


def restore_begin(daemon, *words):
    """restore-begin; the reply with URIs by disk."""
    reply = daemon.cli("restore-begin", *words)
    reply["uri"] = {disk["name"]: disk["uri"] for disk in reply["disks"]}
    return reply


def restores(daemon):
    """{name: state}"""
    return {one["name"]: one["state"]
            for one in daemon.cli("restore-list")["restores"]}


def wait_restore(daemon, name, state):
    wait_until(lambda: restores(daemon).get(name) == state, 60,
               f"{name} is not {state}")


def wait_moved(daemon, name):
    """The data of an instant restore is all in its images."""
    wait_until(lambda: all(disk["move"] == "moved" for disk in
                           daemon.cli("restore-info", name)["disks"]), 120,
               f"{name} is not moved")


def same_disk(disk, form, path):
    """DISK, a URI or image, has the bytes of the file PATH."""
    run("qemu-img", "compare", "-f", form, "-F", "raw", disk, path)


def copiers():
    """The pids of the copies of restores --differing-from that this test caused."""
    return [pid for pid in descendants(os.getpid())
            if command_line(pid).startswith("pullback-differ ")]


def write_random(t, path, size, holes=()):
    """A file of random bytes, with zeros at these MiB."""
    with open(path, "wb") as stream:
        stream.write(t.random.randbytes(size))
        for mib in holes:
            stream.seek(mib << 20)
            stream.write(bytes(1 << 20))
    return path


def beside(path):
    """What is in the folder of PATH that has its name in its own."""
    folder, name = os.path.split(path)
    return sorted(other for other in os.listdir(folder) if name in other)


def errand(verb):
    """The pid of a pullback-target that does VERB and hangs in the kernel; None."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as stream:
                words = stream.read().split(b"\0")
            with open(f"/proc/{pid}/stat") as stream:
                state = stream.read().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if words[:2] == [b"pullback-target", verb.encode()] and state == "D":
            return int(pid)
    return None


def storage_daemon(daemon, name):
    """The pid of the qemu-storage-daemon of a restore."""
    return process_of(daemon, name, "storage")


def process_of(daemon, name, role):
    """The pid of the gateway, plugin (nbdkit) or storage (qemu-storage-daemon) of a
    restore, by its record; 0: it is being started."""
    with open(f"{daemon.runtime}/.restore/{name}/{role}.process",
              encoding="utf-8") as stream:
        return int(stream.read().split()[0])
