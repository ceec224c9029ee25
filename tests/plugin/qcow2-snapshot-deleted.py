#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rule D3: a snapshot is made inside the image during the backup, and deleted: a
table that the view has found before gets other data. What the guest has not
written since the freeze is read right: through QEMU from then on, and without
that not at all."""

import os

from pullbacktest import main, run
from pullbacktest.clients import fails, open_nbd
from pullbacktest.fleece import write_store
from pullbacktest.nbdserver import nbdkit
from pullbacktest.outcome import wait_until
from pullbacktest.vm import VM, Disk

MIB = 1 << 20
G = 65536
# Two parts of a table, of which the view has read only the first.
SIZE = 192 * MIB
DATA = list(range(0, 4 * MIB, G)) + list(range(160 * MIB, 164 * MIB, G))


def pattern(at):
    return bytes([at // G % 251 + 1]) * G


def make(t, name):
    """With a snapshot, and a table that is not its any more (rule D2)."""
    path = t.path(name)
    raw = path + ".raw"
    with open(raw, "wb") as f:
        for at in DATA:
            f.seek(at)
            f.write(pattern(at))
        f.truncate(SIZE)
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, path)
    run("qemu-img", "snapshot", "-c", "old", path)
    run("qemu-io", "-f", "qcow2", "-c", "write 8M 64k", path)
    os.unlink(raw)
    return path


def write(nbd, start):
    """As the guest does. As a table, zeros say that there is nothing."""
    for at in range(start, start + 8 * MIB, G):
        nbd.pwrite(bytes(G), at)
    nbd.flush()


def unwritten(view, places):
    for at in places:
        assert view.pread(G, at) == pattern(at), f"wrong bytes at {at}"


def snapshot(vm, command, disk, **more):
    vm.qmp(command, {"job-id": command, "tag": "new",
                     "devices": [disk.node], **more})

    def over():
        jobs = [j for j in vm.qmp("query-jobs") if j["id"] == command]
        return jobs[0]["status"] == "concluded" and jobs
    job = wait_until(over, 20, command + " does not end")[0]
    assert "error" not in job, job


def check(t, direct, relay):
    name = f"vda{'-direct' * direct}{'-relay' * relay}"
    disk = Disk(name, "qcow2", SIZE, direct=direct, path=make(t, name),
                device=False)
    vm = VM(t, [disk], boot=False)
    uri = vm.serve(disk, t.path(name + ".nbd"))
    guest = open_nbd(uri)
    folder = t.folder_below("/var/tmp")
    write_store(folder, "vda", SIZE)
    server = nbdkit(t, t.path(name + ".view"), "role=view", "fleece=" + folder,
                    "disk=vda", "chain-path=qcow2:" + disk.path,
                    "direct-io=" + ("yes" if direct else "no"),
                    *["relay=" + uri][:relay])
    view = server.connect("vda", "base:allocation")
    unwritten(view, DATA[:4])
    write(guest, 16 * MIB)
    unwritten(view, DATA[:4])
    assert "snapshot" not in server.said(), server.said()
    snapshot(vm, "snapshot-save", disk, vmstate=disk.node)
    write(guest, 32 * MIB)              # a table of its own again
    if relay:
        unwritten(view, DATA[:4])
    snapshot(vm, "snapshot-delete", disk)
    write(guest, 48 * MIB)              # where the old one was
    if relay:
        unwritten(view, DATA)
    else:
        fails(5, lambda: view.pread(G, 0))
        fails(5, lambda: view.block_status(G, 0, lambda *_: 0))
    assert "a snapshot inside of its image" in server.said(), server.said()
    guest.shutdown()
    server.end()
    vm.end()


def test(t):
    for direct in (False, True):
        for relay in (True, False):
            check(t, direct, relay)


main(test)
