# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clients that pull only what a dirty bitmap names, from an export that has one.
Each gives the seconds that it took.

    dirtyclients.py URI CONTEXT TARGET      virtnbdbackup's, see below"""

import importlib.util
import json
import os
import sys
import time

MOST = 32 << 20                 # bytes of one read


def timed(function, *arguments):
    start = time.monotonic()
    function(*arguments)
    return time.monotonic() - start


def nbdcopy(disk, target):
    """Of pullback's export of changes, where all else is a hole; as README has it, it does
    not look for zeros in the rest."""
    from pullbacktest import nbdcopy as copy
    return timed(copy, disk["uri-dirty"], target, "--connections=4", "-S", "0",
                 "--destination-is-zero")


def convert(disk, target):
    """The same by qemu-img."""
    from pullbacktest import run
    return timed(run, "qemu-img", "convert", "-W", "-m", "16", "-f", "raw",
                 "-O", "raw", disk["uri-dirty"], target)


def x_dirty_bitmap(disk, target):
    """QEMU's own way: x-dirty-bitmap makes qemu-img tell what is dirty as having
    no data, and what it names is copied into an overlay.  (qemu-img convert itself
    would read all of the disk, or with -B all that is clean.)"""
    return timed(_x_dirty_bitmap, disk, target)


def _x_dirty_bitmap(disk, target):
    from pullbacktest import run
    name, _, path = disk["uri"][len("nbd+unix:///"):].partition("?socket=")
    said = run("qemu-img", "map", "--output=json", "--image-opts",
               f"driver=nbd,server.type=unix,server.path={path},export={name},"
               f"x-dirty-bitmap={disk['context']}").stdout
    run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b",
        disk["uri"], target)
    with open(target + ".commands", "w+") as stream:
        for row in json.loads(said):
            first, end = row["start"], row["start"] + row["length"]
            while not row["data"] and first < end:
                stream.write(f"read -q {first} {min(MOST, end - first)}\n")
                first += MOST
        stream.seek(0)
        run("qemu-io", "-C", "-f", "qcow2", target, stdin=stream)
    os.unlink(stream.name)
    run("qemu-img", "rebase", "-u", "-b", "", "-f", "qcow2", target)


def virtnbdbackup(disk, target):
    """Without the start of Python, and the second that it sleeps before it
    connects."""
    from pullbacktest import Skip, run
    if not importlib.util.find_spec("libvirtnbdbackup"):
        raise Skip("apt-get install virtnbdbackup")
    return float(run(sys.executable, os.path.abspath(__file__), disk["uri"],
                     disk["context"], target).stdout)


def _virtnbdbackup(uri, context, target):
    """As its backupDisk (), with its own modules, but without libvirt."""
    from libvirtnbdbackup import extenthandler, nbdcli
    from libvirtnbdbackup.common import common
    name, _, path = uri[len("nbd+unix:///"):].partition("?socket=")
    kind = nbdcli.Unix(name, context, path)
    client = nbdcli.client(kind)
    client._connect()
    found = extenthandler.ExtentHandler(client, kind).queryBlockStatus()
    with open(target, "wb") as writer:
        writer.truncate(client.nbd.get_size())
        for extent in found:
            if extent.data:
                write = (common.writeChunk
                         if extent.length >= client.maxRequestSize
                         else common.writeBlock)
                write(writer, extent, client, "raw", False)
    client.disconnect()


if __name__ == "__main__":
    print(timed(_virtnbdbackup, *sys.argv[1:]))
