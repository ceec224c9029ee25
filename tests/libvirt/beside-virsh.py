#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What virsh does to block devices while a backup of ours is open: it is done or refused as
docs/libvirt.md says, the guest writes on, and the backup shows what was frozen.  While
libvirt's own backup or a copy runs, ours is refused with a sentence, and begins after it."""

from pullbacktest import (MIB, Daemon, Disk, freeze, main, need,
                          pull_onto_copies, start_load, stop_load, wait_until)
from pullbacktest.libvirtd import Domain, Libvirtd

SIZE = 16 * MIB


def take(t, vm, daemon, name, *since, meanwhile=lambda: None):
    """Onto the copies of the backup before; the modes."""
    backup, references = freeze(t, vm, daemon, "--checkpoint", name, *since)
    meanwhile()
    modes = pull_onto_copies(t, backup, references, name)
    need(daemon.info()["state"] == "ready", f"{daemon.info()}")
    daemon.commit()
    vm.has_nothing_of_ours()
    return modes


def written(vm):
    return sum(one["stats"]["wr_operations"]
               for one in vm.qmp("query-blockstats"))


def libvirts_backup(t, vm):
    path = t.path("backup.xml")
    with open(path, "w") as stream:
        stream.write(f"""<domainbackup mode='pull'>
  <server transport='unix' socket='{t.path("m/libvirts.sock")}'/></domainbackup>""")
    vm.virsh("backup-begin", path)


def copy(t, vm, check=True):
    return vm.virsh("blockcopy", "vda", t.path("copied"), "--transient-job",
                    check=check)


def virsh_meanwhile(t, vm):
    def is_refused(done):
        t.check(done.returncode != 0, f"{done.args} was done")
        before = written(vm)
        wait_until(lambda: written(vm) > before, 20, "the guest writes no more")

    # Not backup-begin: libvirt 9.0 may crash on its way back from a refusal.
    is_refused(copy(t, vm, check=False))
    is_refused(vm.virsh("blockresize", "vdb", f"{2 * SIZE >> 10}", check=False))
    vm.virsh("checkpoint-create-as", "theirs", "--diskspec", "vda,checkpoint=no")


def is_refused(daemon, saying):
    daemon.refuses("backup-begin", "vm1", saying=saying)


def test(t):
    libvirtd = Libvirtd(t)
    vm = Domain(libvirtd, [Disk("vda", "raw", SIZE),
                           Disk("vdb", "qcow2", SIZE)], ordinary=True)
    daemon = Daemon(t, within=libvirtd.within)
    vm.add_to(daemon)
    start_load(t, vm, "rate=200")
    take(t, vm, daemon, "mon", meanwhile=lambda: virsh_meanwhile(t, vm))
    modes = take(t, vm, daemon, "tue", "--incremental", "mon")
    t.check(set(modes.values()) == {"incremental"}, f"tue: {modes}")
    vm.virsh("checkpoint-delete", "theirs")

    libvirts_backup(t, vm)
    is_refused(daemon, ["vda", "backup-vda"])
    vm.virsh("domjobabort")
    copy(t, vm)
    is_refused(daemon, ["vda", "copy-vda"])
    vm.virsh("blockjob", "vda", "--abort")
    modes = take(t, vm, daemon, "wed", "--incremental", "tue")
    t.check(set(modes.values()) == {"incremental"}, f"wed: {modes}")
    stop_load(t, vm)
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
