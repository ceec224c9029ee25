#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""QEMU 7.2 aborts when a client of its NBD server leaves a disk that an iothread serves:
such a disk that has to be read through it, because of its format or of compressed clusters,
is refused there, be it the disk that has the iothread or its controller, and the others are
not.  Newer ones bear it."""

import json

from pullbacktest import MIB, VM, Daemon, Disk, main, nbdcopy, run

ON_CONTROLLER = [
    "-object", "iothread,id=io-scsi",
    "-device", "virtio-scsi-pci,id=scsi,iothread=io-scsi",
    "-device", "scsi-hd,id=sda,bus=scsi.0,drive=node-sda"]


def bears_it(vm):
    return "handshake-max-seconds" in json.dumps(vm.qmp("query-qmp-schema"))


def compressed(t):
    """A qcow2 image with one compressed cluster."""
    path = t.path("vda.qcow2")
    run("qemu-img", "create", "-q", "-f", "qcow2", path, "8M")
    run("qemu-io", "-f", "qcow2", "-c", "write -c -P 3 1M 64k", path)
    return path


def test(t):
    image = t.path("sda.vdi")
    run("qemu-img", "create", "-q", "-f", "vdi", image, "8M")
    vm = VM(t, [Disk("vda", "qcow2", 8 * MIB, path=compressed(t),
                     iothread=True),
                Disk("vdb", "qcow2", 8 * MIB),
                Disk("vdc", "raw", 8 * MIB, iothread=True),
                Disk("vdd", "qcow2", 8 * MIB, iothread=True)], boot=False,
            more=["-blockdev", "vdi,node-name=node-sda,file.driver=file,"
                  f"file.filename={image}", *ON_CONTROLLER])
    vm.resume()
    before = vm.state()
    daemon = Daemon(t)
    daemon.add(vm)
    good = ["vdb", "vdc", "vdd"]
    if bears_it(vm):
        good += ["vda", "sda"]
    else:
        for name in ("vda", "sda"):
            daemon.refuses("backup-begin", "vm1", "--disk", name, saying=(
                f"disk {name} is served by an iothread", "--disk"))
    for _ in range(3):
        words = [word for name in good for word in ("--disk", name)]
        for disk in daemon.begin(*words)["disk"].values():
            nbdcopy(disk["uri"], t.path("copy"))
        daemon.commit()
    t.check(vm.qmp("query-status")["running"], "QEMU does not run")
    vm.assert_clean(before)
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
