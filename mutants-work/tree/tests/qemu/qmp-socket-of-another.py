#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""QMP sockets that QEMU did not make.  One that somebody else listened on and
gave to QEMU, as managers do: QEMU is found all the same, and the disk is read
directly.  One behind a proxy, which is not who has the image open: the disk is
read through QEMU."""

import os
import socket
import subprocess
import threading

from pullbacktest import MIB, VM, Daemon, Disk, main, nbdcopy


class Passed(VM):
    """Also gets a monitor whose socket we listen on."""

    def __init__(self, context, disks):
        self.passed_path = context.path("passed.qmp")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.passed_path)
        listener.listen(1)
        self.inherit = [listener.fileno()]
        super().__init__(context, disks, boot=False, more=[
            "-chardev", f"socket,id=passed,fd={listener.fileno()},"
            "server=on,wait=off", "-mon", "chardev=passed,mode=control"])
        listener.close()


def pump(one, other):
    try:
        while data := one.recv(65536):
            other.sendall(data)
        other.shutdown(socket.SHUT_WR)
    except OSError:
        pass                            # the other direction ended first


def hand_on(client, target):
    server = socket.socket(socket.AF_UNIX)
    server.connect(target)
    back = threading.Thread(target=pump, args=(server, client), daemon=True)
    back.start()
    pump(client, server)
    back.join()
    client.close()
    server.close()


def proxy(t, target):
    """Hands connections on; the path to connect to."""
    path = t.path("proxy.qmp")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(1)

    def serve():
        while True:
            client, _ = listener.accept()
            threading.Thread(target=hand_on, args=(client, target),
                             daemon=True).start()
    threading.Thread(target=serve, daemon=True).start()
    return path


def check(t, vm, path, name, want):
    daemon = vm.daemon
    daemon.cli("domain-add", name, "--qmp", path)
    backup = daemon.begin(name=name)
    source = daemon.info(name)["disks"][0]["source"]
    t.check(source == want, f"{name}: the disk is read {source}, want {want}")
    copy = t.path("copy")
    nbdcopy(backup["disk"]["vda"]["uri"], copy)
    subprocess.run(["cmp", copy, vm.disks["vda"].path], check=True)
    os.unlink(copy)
    daemon.commit(name)


def test(t):
    image = t.path("vda.raw")
    with open(image, "wb") as stream:
        stream.write(t.random.randbytes(4 * MIB))
    vm = Passed(t, [Disk("vda", path=image)])
    vm.daemon = Daemon(t)
    check(t, vm, vm.passed_path, "passed", "direct")
    check(t, vm, proxy(t, vm.qmp_path), "proxied", "relay")


main(test)
