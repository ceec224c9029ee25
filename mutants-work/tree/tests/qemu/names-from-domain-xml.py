#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disks go by the targets of the domain's XML: found by their sources, or by
their aliases when the source has changed; and checkpoints stay with their
virtual machine."""

import os
import shutil
import uuid

from pullbacktest import MIB, VM, Daemon, Disk, main

FIRST, SECOND = str(uuid.UUID(int=1 << 90)), str(uuid.UUID(int=1 << 91))


def domain(t, vm, identity=FIRST):
    """What virsh dumpxml would say of VM; the last disk's source is that of
    before an external snapshot."""
    path = t.path("domain.xml")
    with open(path, "w") as stream:
        stream.write(f"""
          <domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
            <name>somebody's name</name><uuid>{identity}</uuid>
            <devices>
              <disk type='file' device='disk'>
                <source file='{vm.disks["one"].path}'/>
                <backingStore/>
                <target dev='vda' bus='virtio'/><alias name='virtio-disk7'/>
              </disk>
              <disk type='file' device='disk'>
                <source file='/before/the/snapshot.qcow2'/>
                <target dev='vdb' bus='virtio'/><alias name='virtio-disk1'/>
              </disk>
              <disk type='file' device='cdrom'>
                <target dev='sda' bus='sata'/><readonly/>
              </disk>
            </devices>
          </domain>""")
    return path


def test(t):
    disks = [Disk("one", "raw", 8 * MIB), Disk("virtio-disk1", "qcow2",
                                               8 * MIB),
             Disk("three", "raw", 8 * MIB)]
    vm = VM(t, disks, boot=False, more=("-uuid", FIRST))
    daemon = Daemon(t)
    daemon.refuses("domain-add", "vm1", "--qmp", vm.qmp_path, "--xml",
                   domain(t, vm, SECOND), saying=("uuid", FIRST, SECOND))
    daemon.add(vm, "--xml", domain(t, vm))
    # The registration keeps it.
    daemon.terminate()
    daemon.start()
    names = [d["name"] for d in daemon.cli("domain-info", "vm1")["disks"]]
    t.check(sorted(names) == ["three", "vda", "vdb"], f"disks: {names}")

    backup = daemon.begin("--checkpoint", "c1")
    t.check(sorted(backup["disk"]) == ["three", "vda", "vdb"],
            f"backup of {sorted(backup['disk'])}")
    t.check(backup["disk"]["vdb"]["node"] == "node-virtio-disk1",
            f"vdb is {backup['disk']['vdb']['node']}")
    daemon.commit()
    # By name, by QEMU's path, and by the path that only the XML knows.
    for word, want in (("vda", "vda"), (vm.disks["one"].path, "vda"),
                       ("/before/the/snapshot.qcow2", "vdb"),
                       (vm.disks["three"].path, "three")):
        backup = daemon.begin("--disk", word, "--incremental", "c1")
        t.check([d["name"] for d in backup["disks"]] == [want],
                f"--disk {word}: {backup['disks']}")
        t.check(backup["disks"][0]["mode"] == "incremental",
                f"--disk {word}: {backup['disks'][0]}")
        daemon.abort()
    daemon.refuses("backup-begin", "vm1", "--disk", "/no/such",
                   saying=("/no/such", "vda"))
    made = daemon.cli("checkpoint-create", "vm1", "c2", "--disk",
                      vm.disks["one"].path)
    t.check([d["name"] for d in made["disks"]] == ["vda"], f"c2: {made}")
    text = daemon.cli("checkpoint-dumpxml", "vm1", "c2", "--size")["xml"]
    t.check("name='vdb' checkpoint='no'" in text and "size='0'" in text, text)
    identity(t, vm, daemon)


def identity(t, vm, daemon):
    daemon.refuses("domain-remove", "vm1", saying=("2 checkpoints", "c1",
                                                   "c2", "full"))
    folder = os.path.join(daemon.state, "vm1", "checkpoints")
    shutil.copytree(folder, t.path("kept"))
    daemon.cli("domain-remove", "vm1", "--checkpoints-metadata")
    t.check(not os.path.exists(folder), "checkpoints outlive their domain")
    vm.quit()
    vm.more = ["-uuid", SECOND]
    vm.start()
    # Somebody puts the folder back.
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    shutil.copytree(t.path("kept"), folder)
    daemon.refuses("domain-add", "vm1", "--qmp", vm.qmp_path,
                   saying=("another virtual machine", FIRST, SECOND))
    daemon.add(vm, name="vm2")
    t.check(daemon.cli("checkpoint-list", "vm2")["checkpoints"] == [],
            "a new domain inherits checkpoints")


main(test)
