#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rule D2: a guest write copies a cluster of 2 MiB, and its place is another's before
the tables in the file say so. What the guest has not written of it is read
right: through QEMU, and without that not at all; also where the client had given back
what the guest wrote, so that the sink stored nothing."""

import os

from pullbacktest import main, run
from pullbacktest.chains import unmark
from pullbacktest.clients import fails, open_nbd
from pullbacktest.fleece import write_map, write_store
from pullbacktest.nbdserver import nbdkit
from pullbacktest.vm import VM, Disk

MIB = 1 << 20
G = 65536
SIZE = 16 * MIB


def make(t, name):
    path = t.path(name)
    run("qemu-img", "create", "-q", "-f", "qcow2", "-o", "cluster_size=2M",
        path, SIZE)
    run("qemu-io", "-f", "qcow2", "-c", "write -P 1 0 2M", "-c",
        "write -P 2 2M 2M", path)
    unmark(path)
    return path


def place_of(path, byte):
    """Where in the file a cluster is full of BYTE but for its first half."""
    with open(path, "rb") as stream:
        data = stream.read()
    return [at for at in range(0, len(data), 2 * MIB)
            if data[at + MIB:at + 2 * MIB] == bytes([byte]) * MIB]


def open_view(t, folder, name, disk, relay, consume):
    more = ["consume=yes"] if consume else []
    return nbdkit(t, t.path(name + ".view"), "role=view", "fleece=" + folder,
                  "maps=" + folder, *more, "disk=vda",
                  "chain-path=qcow2:" + disk.path, *relay)


def check(t, kind, relay):
    """KIND is the map in which what the guest writes is."""
    name = kind + "-relay" * relay
    disk = Disk(name, "qcow2", SIZE, path=make(t, name), device=False)
    vm = VM(t, [disk], boot=False)
    uri = vm.serve(disk, t.path(name + ".nbd"))
    guest = open_nbd(uri)
    folder = t.folder_below("/var/tmp")
    write_store(folder, "vda", SIZE)
    for other in "consumed", "counted":
        write_map(f"{folder}/vda.{other}", SIZE)
    server = open_view(t, folder, name, disk, ["relay=" + uri][:relay],
                       kind == "consumed")
    view = server.connect("vda")
    assert view.pread(G, 0) == b"\1" * G
    # The last granule of the first cluster, and of a new one.
    place, = place_of(disk.path, 1)
    with open(f"{folder}/vda.{kind}", "r+b") as stream:
        stream.seek(4096 + 3)
        stream.write(b"\x80")
    guest.pwrite(b"\3" * G, 2 * MIB - G)
    guest.pwrite(b"\4" * 2 * MIB, 8 * MIB)
    assert place_of(disk.path, 4) == [place], "not in its place"
    if relay:
        assert view.pread(G, G) == b"\1" * G
        assert view.pread(2 * MIB - G, 0) == b"\1" * (2 * MIB - G)
    else:
        fails(5, lambda: view.pread(G, G))
    assert view.pread(2 * MIB, 2 * MIB) == b"\2" * 2 * MIB
    guest.shutdown()
    server.end()
    vm.end()
    os.unlink(disk.path)


def test(t):
    for kind in "present", "consumed":
        for relay in (True, False):
            check(t, kind, relay)


main(test)
