#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rule D3: a snapshot inside the image is deleted during the backup, and its
clusters, that the view has found before, get other data. What the guest has not
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
FULL = 16 * MIB                 # the rest is not allocated
SIZE = 2 * FULL


def pattern(granule):
    return bytes([granule % 251 + 1]) * G


def make(t, name):
    """Clusters of many granules, with a snapshot that shares them."""
    path = t.path(name)
    raw = path + ".raw"
    with open(raw, "wb") as f:
        for granule in range(FULL // G):
            f.write(pattern(granule))
        f.truncate(SIZE)
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-o",
        "cluster_size=1M", raw, path)
    run("qemu-img", "snapshot", "-c", "old", path)
    os.unlink(raw)
    return path


def write_every_other(nbd, start, end):
    """As the guest does: the granules between are what the view must get."""
    for at in range(start + G, end, 2 * G):
        nbd.pwrite(b"\xff" * 4096, at)
    nbd.flush()


def unwritten(view):
    for at in range(0, FULL, 2 * G):
        assert view.pread(G, at) == pattern(at // G), f"wrong bytes at {at}"


def delete_snapshot(vm, disk):
    vm.qmp("snapshot-delete", {"job-id": "gone", "tag": "old",
                               "devices": [disk.node]})

    def over():
        jobs = [j for j in vm.qmp("query-jobs") if j["id"] == "gone"]
        return jobs[0]["status"] == "concluded" and jobs
    job = wait_until(over, 20, "the snapshot is not deleted")[0]
    assert "error" not in job, job


def check(t, direct, relay):
    name = f"vda{'-direct' * direct}{'-relay' * relay}"
    disk = Disk(name, "qcow2", SIZE, direct=direct, path=make(t, name),
                device=False)
    vm = VM(t, [disk], boot=False)
    socket = t.path(name + ".nbd")
    vm.qmp("nbd-server-start", {"addr": {"type": "unix",
                                         "data": {"path": socket}}})
    vm.qmp("block-export-add", {"type": "nbd", "id": "e", "writable": True,
                                "node-name": disk.node, "name": "live"})
    uri = f"nbd+unix:///live?socket={socket}"
    guest = open_nbd(uri)
    folder = t.folder_below("/var/tmp")
    write_store(folder, "vda", SIZE)
    server = nbdkit(t, t.path(name + ".view"), "role=view", "fleece=" + folder,
                    "disk=vda", "chain-path=qcow2:" + disk.path,
                    "direct-io=" + ("yes" if direct else "no"),
                    *["relay=" + uri][:relay])
    view = server.connect("vda", "base:allocation")
    unwritten(view)
    write_every_other(guest, 0, FULL)
    unwritten(view)
    assert "snapshot" not in server.said(), server.said()
    delete_snapshot(vm, disk)
    write_every_other(guest, FULL, SIZE)
    if relay:
        unwritten(view)
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
