#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: waits
"""A backup is taken over whose processes live and whose sockets are gone: they
are started again, so that clients and QEMU find them, and the guest sees no
error."""

import os

from pullbacktest import (MIB, VM, Daemon, Disk, freeze, main, nbdcopy, same,
                          start_load, stop_load)


def test(t):
    vm = VM(t, [Disk("vda", "raw", 64 * MIB)])
    daemon = Daemon(t)
    daemon.add(vm)
    start_load(t, vm, "rate=200")
    backup, references = freeze(t, vm, daemon)
    before = daemon.processes()
    daemon.kill9()
    for name in "vm1/sink.sock", "vm1/view.sock", "vm1.sock":
        os.unlink(os.path.join(daemon.runtime, name))
    daemon.start()
    for role, pid in before.items():
        t.check(daemon.pid_of(role) != pid, f"the {role} is the same")
    nbdcopy(backup["disk"]["vda"]["uri"], t.path("pull"))
    same(references["vda"], t.path("pull"), "the pull")
    daemon.commit()
    stop_load(t, vm)
    daemon.assert_nothing_left()


main(test)
