#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon dies when QEMU has the socket for its NBD server, and no server yet: the
next one has QEMU close it, and stops nobody's server for it."""

import array
import json
import os
import socket

from pullbacktest import MIB, VM, Daemon, Disk, main, run


def pass_to(vm, name, path):
    """As the daemon does, at its monitor: others do not know the name."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    link = socket.socket(socket.AF_UNIX)
    link.connect(vm.qmp_path)
    stream = link.makefile("r")
    stream.readline()
    for command in ({"execute": "qmp_capabilities"},
                    {"execute": "getfd", "arguments": {"fdname": name}}):
        link.sendmsg([json.dumps(command).encode()],
                     [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                       array.array("i", [listener.fileno()]))])
        assert "return" in json.loads(stream.readline())
    stream.close()
    link.close()
    listener.close()


def connects(path):
    with socket.socket(socket.AF_UNIX) as link:
        return link.connect_ex(path) == 0


def test(t):
    vm = VM(t, [Disk("vda", "qcow2", 8 * MIB)], boot=False)
    before = vm.state()
    daemon = Daemon(t, env={"PULLBACK_STOP_AFTER": "forbid-migration"})
    daemon.add(vm)
    daemon.pullback("backup-begin", "vm1", check=False)
    daemon.process.wait(timeout=60)
    with open(f"{daemon.state}/vm1/job.json") as journal:
        name = f"pullback-{json.load(journal)['tag']}-nbd0"
    path, kept = f"{daemon.runtime}/vm1/nbd.sock", t.path("kept")
    pass_to(vm, name, path)
    os.link(path, kept)
    theirs = t.path("theirs")
    vm.qmp("nbd-server-start", addr={"type": "unix", "data": {"path": theirs}})
    t.check(connects(kept), "QEMU has no socket")
    del daemon.env["PULLBACK_STOP_AFTER"]
    daemon.start()
    daemon.wait_ended("aborted: ")
    t.check(not connects(kept), "QEMU has the socket")
    t.check(not os.path.exists(path), f"{path} is left")
    t.check(run("nbdinfo", "--list", f"nbd+unix:///?socket={theirs}",
                check=False).returncode == 0, "their server was stopped")
    vm.qmp("nbd-server-stop")
    vm.assert_clean(before)
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
