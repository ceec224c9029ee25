#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A virtual machine of the same name and disk but another UUID never inherits
checkpoints, nor does the first one those of the second."""

from pullbacktest import MIB, VM, Daemon, Disk, main

ONE = "11111111-2222-3333-4444-555555555555"
TWO = "99999999-2222-3333-4444-555555555555"


def since(t, daemon, checkpoint, want):
    disk = daemon.begin("--incremental", checkpoint)["disk"]["vda"]
    have = disk["reason"] or disk["mode"]
    t.check(have == want, f"since {checkpoint}: {have}, want {want}")
    daemon.abort()


def restart_as(vm, uuid):
    vm.quit()
    vm.more = ["-uuid", uuid] if uuid else []
    vm.start()


def test(t):
    vm = VM(t, [Disk("vda", "qcow2", 8 * MIB)], boot=False,
            more=["-uuid", ONE])
    daemon = Daemon(t)
    daemon.add(vm)
    daemon.cli("checkpoint-create", "vm1", "mine")
    restart_as(vm, ONE)
    since(t, daemon, "mine", "incremental")
    for uuid in (TWO, None):
        restart_as(vm, uuid)
        since(t, daemon, "mine", "other-domain")
    restart_as(vm, TWO)
    daemon.cli("checkpoint-create", "vm1", "theirs")
    since(t, daemon, "theirs", "incremental")
    since(t, daemon, "mine", "other-domain")
    restart_as(vm, ONE)
    # What was written as TWO is not known to be all there is.
    since(t, daemon, "theirs", "other-domain")
    since(t, daemon, "mine", "other-domain")
    daemon.cli("checkpoint-create", "vm1", "new")
    since(t, daemon, "new", "incremental")
    daemon.terminate()


main(test)
