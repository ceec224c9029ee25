#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The guest gets another active layer, by a snapshot or a mirror that ends, between
the plan of a backup and its freeze: what the guest writes from then on would not be
held up, nor be in any bitmap. The begin fails and says so, nothing stays, and the next one
is right."""

import os
import threading

from pullbacktest import MIB, VM, Daemon, Failed, main, nbdcopy, run, wait_until

SIZE = 16 * MIB


def io(vm, words):
    vm.qmp.hmp("qemu-io -d /machine/peripheral/vda/virtio-backend "
               f"\"{words}\"")


def snapshot(t, vm, disk):
    over = t.path("over.qcow2")
    run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", disk,
        over)
    vm.qmp("blockdev-add", driver="qcow2", node_name="node-new", backing=None,
           file={"driver": "file", "filename": over})
    vm.qmp("blockdev-snapshot", node="node-vda", overlay="node-new")


def mirror(t, vm, disk):
    other = t.path("other.qcow2")
    run("qemu-img", "create", "-q", "-f", "qcow2", other, str(SIZE))
    vm.qmp("blockdev-add", driver="qcow2", node_name="node-new",
           file={"driver": "file", "filename": other})
    vm.qmp("blockdev-mirror", job_id="m", device="node-vda",
           target="node-new", sync="full")

    def status():
        return {j["id"]: j["status"] for j in vm.qmp("query-jobs")}.get("m")

    wait_until(lambda: status() == "ready", 40, "the mirror is not ready")
    vm.qmp("job-complete", id="m")
    wait_until(lambda: status() is None, 40, "the mirror does not end")


def look(t, change):
    name = change.__name__
    disk = t.path(f"{name}.qcow2")
    run("qemu-img", "create", "-q", "-f", "qcow2", disk, str(SIZE))
    run("qemu-io", "-f", "qcow2", "-c", "write -q -P 1 0 16M", disk)
    vm = VM(t, [], name=name, boot=False, more=[
        "-blockdev", f"file,node-name=file-vda,filename={disk}",
        "-blockdev", "qcow2,node-name=node-vda,file=file-vda",
        "-device", "virtio-blk-pci,id=vda,drive=node-vda"])
    pause = t.path(name + ".pause")
    daemon = Daemon(t, name=name, env={"PULLBACK_PAUSE": pause})
    daemon.add(vm)
    with open(pause, "w") as stream:
        stream.write("announce-freeze")
    said = []

    def begin():
        try:
            said.append(daemon.begin("--checkpoint", "one"))
        except Failed as error:
            said.append(str(error))

    thread = threading.Thread(target=begin)
    thread.start()
    wait_until(lambda: os.path.exists(pause + ".paused"), 40, "no pause")
    change(t, vm, disk)
    io(vm, "write -P 9 8M 1M")
    os.unlink(pause + ".paused")
    thread.join()
    t.check("got another active layer" in str(said[0]),
            f"{name}: begin says {said[0]}")
    t.check(vm.qmp("query-jobs") == [], f"{name}: a job stays")
    image = t.path(name + ".image")
    nbdcopy(daemon.begin("--checkpoint", "two")["disk"]["vda"]["uri"], image)
    daemon.cli("backup-commit", "vm1")
    with open(image, "rb") as stream:
        data = stream.read()
    t.check(data == b"\1" * 8 * MIB + b"\t" * MIB + b"\1" * 7 * MIB,
            f"{name}: the next backup is wrong")
    daemon.end()
    vm.end()


def test(t):
    look(t, snapshot)
    look(t, mirror)


main(test)
