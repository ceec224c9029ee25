#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A QEMU that runs as another user: it reaches what it must and owns nothing
that the daemon trusts; where it cannot reach the sink, begin says so."""

import os
import pwd

from pullbacktest import MIB, VM, Daemon, Disk, Skip, compare, main, nbdcopy


def owners(daemon):
    """{path below the runtime folder: (user, mode)} during a backup."""
    found = {}
    for folder, folders, names in os.walk(daemon.runtime):
        for name in folders + names:
            path = os.path.join(folder, name)
            st = os.lstat(path)
            found[os.path.relpath(path, daemon.runtime)] = (
                st.st_uid, st.st_mode & 0o777)
    return found


def test(t):
    if os.geteuid() != 0:
        raise Skip("needs root, to have a QEMU of another user")
    nobody = pwd.getpwnam("nobody").pw_uid
    vm = VM(t, [Disk("vda", "raw", 16 * MIB), Disk("vdb", "qcow2", 16 * MIB)],
            boot=False, more=["-runas", "nobody"])
    before = vm.state()
    daemon = Daemon(t)
    daemon.add(vm)
    backup = daemon.begin()
    theirs = {path for path, (user, _) in owners(daemon).items()
              if user == nobody}
    t.check(theirs == {"vm1/sink.sock", "vm1/qemu"},
            f"of QEMU's user: {theirs}")
    t.check(owners(daemon)["vm1"][1] == 0o711, f"{owners(daemon)}")
    vm.qmp.hmp("qemu-io -d /machine/peripheral/vda/virtio-backend "
               "\"write -P 7 0 1M\"")
    for name, disk in backup["disk"].items():
        nbdcopy(disk["uri"], t.path(name))
    with open(t.path("zero"), "wb") as zero:
        zero.truncate(16 * MIB)
    t.check(compare(t.path("zero"), t.path("vda")) is None,
            "vda is not as at the freeze")
    daemon.abort()
    daemon.assert_nothing_left()
    vm.assert_clean(before)
    os.chmod(daemon.runtime, 0o700)
    daemon.refuses("backup-begin", "vm1", saying=["vm1", "permission"])
    daemon.assert_nothing_left()
    vm.assert_clean(before)


main(test)
