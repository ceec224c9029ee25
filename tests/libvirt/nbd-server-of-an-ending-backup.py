#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A backup of libvirt's own ends, with several disks: QEMU's NBD server is stopped for the first,
and will be stopped again for each of the others. A backup of ours that needs a server is refused
until libvirt is through, one that does without is not."""

from pullbacktest import MIB, Daemon, Disk, main, need, wait_until
from pullbacktest.libvirtd import Domain, Libvirtd


def begin_theirs(t, vm):
    path = t.path("theirs.xml")
    with open(path, "w") as stream:
        stream.write(f"""<domainbackup mode='pull'>
  <server transport='unix' socket='{t.path("m/theirs.sock")}'/>
  <disks>
    <disk name='vda' backup='yes' type='file'>
      <scratch file='{t.path("theirs.scratch")}'/></disk>
    <disk name='vdb' backup='no'/><disk name='vdc' backup='no'/>
  </disks></domainbackup>""")
    vm.virsh("backup-begin", path)


def test(t):
    libvirtd = Libvirtd(t)
    vm = Domain(libvirtd, [Disk("vda", "raw", 8 * MIB),
                           Disk("vdb", "qcow2", 8 * MIB),
                           Disk("vdc", "raw", 8 * MIB)],
                ordinary=True, boot=False)
    daemon = Daemon(t, within=libvirtd.within)
    vm.add_to(daemon)
    begin_theirs(t, vm)
    # As libvirt does at the end of the first disk's job.
    vm.qmp("nbd-server-stop")
    daemon.refuses("backup-begin", "vm1", "--disk", "vdb",
                   saying=("libvirt has a backup of its own", "NBD server",
                           "virsh domjobabort"))
    daemon.begin("--disk", "vdc")
    daemon.abort()
    vm.virsh("domjobabort")
    wait_until(lambda: not vm.qmp("query-jobs"), 20, "libvirt's does not end")
    daemon.begin("--disk", "vdb")
    daemon.commit()
    need(not vm.qmp("query-block-exports"), "exports are left")
    vm.has_nothing_of_ours()
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
