#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rule D10: QEMU has looked up where a cluster is that a guest write copies, and reads
there when its place is another's already. What it read then is not believed."""

import os
import threading

from pullbacktest import main, run
from pullbacktest.chains import unmark
from pullbacktest.clients import open_nbd
from pullbacktest.fleece import write_store
from pullbacktest.nbdserver import nbdkit
from pullbacktest.outcome import wait_until
from pullbacktest.vm import VM, Disk

MIB = 1 << 20
G = 65536
SIZE = 16 * MIB
OPTIONS = {"unmarked": "cluster_size=128k",
           "subclusters": "cluster_size=128k,extended_l2=on",
           "compressed": "cluster_size=128k"}


class Stoppable(Disk):
    """Its requests can be made to wait in QEMU."""

    def arguments(self):
        return ["-blockdev", f"driver=qcow2,node-name={self.node},"
                "file.driver=blkdebug,file.image.driver=file,"
                f"file.image.filename={self.path}"]


def make(t, kind):
    raw, path = t.path("raw"), t.path(kind + ".qcow2")
    with open(raw, "wb") as stream:
        for _ in range(16):         # of each, 7/8 do not compress
            stream.write(t.random.randbytes(7 * G // 4) + bytes(G // 4))
        stream.truncate(SIZE)
    with open(raw, "rb") as stream:
        data = stream.read()
    run("qemu-img", "convert", "-O", "qcow2", *["-c"] * (kind == "compressed"),
        "-o", OPTIONS[kind], raw, path)
    if kind != "compressed":
        unmark(path)
    os.unlink(raw)
    return path, data


def suspended(vm):
    with open(vm.log_path) as log:
        return "Suspended request 'A'" in log.read()


def check(t, kind):
    path, data = make(t, kind)
    disk = Stoppable(kind, "qcow2", SIZE, path=path, device=False)
    vm = VM(t, [disk], boot=False)
    uri = vm.serve(disk, t.path(kind + ".nbd"))
    guest = open_nbd(uri)
    folder = t.folder_below("/var/tmp")
    write_store(folder, "vda", SIZE,
                {1: data[G:2 * G], 3: data[3 * G:4 * G]})
    server = nbdkit(t, t.path(kind + ".view"), "role=view", "fleece=" + folder,
                    "disk=vda", "chain-path=qcow2:" + path, "relay=" + uri)
    view = server.connect("vda")

    def qemu_io(line):
        said = vm.qmp.hmp(f'qemu-io {disk.node} "{line}"')
        assert "rror" not in said, said

    event = "read_compressed" if kind == "compressed" else "read_aio"
    qemu_io(f"break {event} A")
    got = []
    reader = threading.Thread(target=lambda: got.append(view.pread(G, 0)),
                              daemon=True)
    reader.start()
    wait_until(lambda: suspended(vm), 20, "no read waits")
    for at in G, 3 * G:             # compressed ones share their places
        guest.pwrite(b"\3" * G, at)
    for at in range(8 * MIB, 10 * MIB, 2 * G):
        guest.pwrite(b"\4" * 2 * G, at)
    qemu_io("resume A")
    reader.join(60)
    assert got == [data[:G]], f"{kind}: read what another wrote"
    guest.shutdown()
    server.end()
    vm.end()
    os.unlink(path)


def test(t):
    for kind in OPTIONS:
        check(t, kind)


main(test)
