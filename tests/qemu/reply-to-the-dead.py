#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A daemon is killed while QEMU works at a command of it: QEMU sends the reply to the
next daemon, before it answers that one's first command, and that daemon undoes the
backup nevertheless."""

import os
import select
import signal
import subprocess
import threading

from pullbacktest import MIB, VM, Daemon, Disk, Failed, main, wait_until
from pullbacktest.nbdserver import listens
from pullbacktest.processes import process_stat

SLOW = "node-slow"


def start_store(t):
    """A disk's storage that can be made to hang."""
    path = t.path("slow.sock")
    store = subprocess.Popen(["nbdkit", "--foreground", "--unix", path,
                              "memory", "16M"], stdin=subprocess.DEVNULL)

    def end():
        store.send_signal(signal.SIGCONT)
        store.kill()
        store.wait()
    t.defer(end)
    wait_until(lambda: listens(path), 20, "nbdkit does not listen")
    return store, path


def peers(path):
    """The socket numbers of who is connected to PATH."""
    text = subprocess.run(["ss", "-xnH", "src", path], check=True,
                          capture_output=True, text=True).stdout
    return {line.split()[7] for line in text.splitlines()}


def is_connected(daemon, path):
    folder = f"/proc/{daemon.pid}/fd"
    mine = set()
    for fd in os.listdir(folder):
        try:
            mine.add(os.readlink(f"{folder}/{fd}"))
        except FileNotFoundError:
            pass                # closed since
    return any(f"socket:[{number}]" in mine for number in peers(path))


def hangs(vm):
    """Does QEMU's main loop do something else for two seconds?"""
    vm.qmp.socket.sendall(b'{"execute": "query-status"}\n')
    if select.select([vm.qmp.socket], [], [], 2)[0]:
        while "return" not in vm.qmp._receive():
            pass
        return False
    return True


def kill_amid_freeze(t, vm, daemon, store):
    """The transaction waits for a write that hangs."""
    store.send_signal(signal.SIGSTOP)
    tasks = [int(task) for task in os.listdir(f"/proc/{store.pid}/task")]
    wait_until(lambda: all(process_stat(task)[0] == "T" for task in tasks), 10,
               "nbdkit does not stop")
    vm.qmp.hmp("qemu-io -d /machine/peripheral/slow/virtio-backend "
               "\"aio_write 0 4096\"")
    begin = threading.Thread(
        target=daemon.cli, args=("backup-begin", "vm1", "--checkpoint", "gone"),
        kwargs={"check": False})
    begin.start()
    wait_until(lambda: hangs(vm), 20, "the freeze does not wait")
    daemon.kill9()
    begin.join()


def left(daemon):
    """The disk's storage is an nbdkit, too."""
    return daemon.files_left() + [child for child in daemon.children()
                                  if "slow.sock" not in child[1]]


def one_round(t, vm, daemon, store, before):
    kill_amid_freeze(t, vm, daemon, store)
    daemon.start()
    wait_until(lambda: is_connected(daemon, vm.qmp_path), 20,
               "the next daemon does not connect")
    store.send_signal(signal.SIGCONT)
    # The reply to the test's own question.
    while "return" not in vm.qmp._receive():
        pass
    wait_until(lambda: not left(daemon), 20, lambda: f"left: {left(daemon)}")
    vm.assert_clean(before)
    with open(daemon.log_path) as log:
        if "is not QMP" in log.read():
            raise Failed("QEMU was taken for something else")


def test(t):
    store, path = start_store(t)
    vm = VM(t, [Disk("vda", "raw", 16 * MIB)], boot=False, more=[
        "-blockdev", f"driver=nbd,node-name={SLOW},server.type=unix,"
        f"server.path={path}",
        "-device", f"virtio-blk-pci,id=slow,drive={SLOW}"])
    daemon = Daemon(t)
    daemon.add(vm)
    before = vm.state()
    for _ in range(3):
        one_round(t, vm, daemon, store, before)


main(test)
