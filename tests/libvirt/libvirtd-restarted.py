#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: faults
"""libvirtd is killed while a backup is open: the guest and the pull go on, what needs QEMU
says so, and when libvirtd is back the backup is committed, and the next one incremental; also by
another daemon, which was started when libvirtd was gone.
What QEMU said meanwhile, that its job has ended, is found out."""

from pullbacktest import (MIB, Daemon, Disk, freeze, main, nbdcopy, need,
                          pull_dirty, same, start_load, stop_load, wait_until)
from pullbacktest.libvirtd import Domain, Libvirtd

SIZE = 16 * MIB


def goes_on(t, vm, daemon, libvirtd):
    """The copy, by a backup during which libvirtd is gone."""
    backup, references = freeze(t, vm, daemon, "--checkpoint", "mon")
    libvirtd.kill9()
    nbdcopy(backup["disk"]["vda"]["uri"], t.path("copy"))
    same(references["vda"], t.path("copy"), "pulled without libvirtd")
    daemon.refuses("backup-commit", "vm1", saying=["vm1"])
    need(daemon.info()["state"] == "ready", f"{daemon.info()}")
    libvirtd.start_again()
    wait_until(lambda: daemon.pullback("backup-commit", "vm1", check=False)
               .returncode == 0, 30, "backup-commit fails, though libvirtd is back")


def test(t):
    libvirtd = Libvirtd(t)
    vm = Domain(libvirtd, [Disk("vda", "qcow2", SIZE)])
    daemon = Daemon(t, within=libvirtd.within)
    daemon.cli("domain-add", "vm1", "--libvirt", libvirtd.uri)
    start_load(t, vm, "rate=200")
    goes_on(t, vm, daemon, libvirtd)
    vm.has_nothing_of_ours()

    backup, references = freeze(t, vm, daemon, "--incremental", "mon",
                                "--checkpoint", "tue")
    t.check(backup["disk"]["vda"]["mode"] == "incremental", f"{backup}")
    pull_dirty(backup["disk"]["vda"], t.path("copy"))
    same(references["vda"], t.path("copy"), "incremental")
    daemon.commit()

    # The next daemon takes it over while there is no libvirtd to ask.
    backup, references = freeze(t, vm, daemon)
    daemon.leave()
    libvirtd.kill9()
    daemon.start()
    nbdcopy(backup["disk"]["vda"]["uri"], t.path("copy"))
    same(references["vda"], t.path("copy"), "pulled from the next daemon")
    libvirtd.start_again()
    wait_until(lambda: daemon.pullback("backup-commit", "vm1", check=False)
               .returncode == 0, 30, "the next daemon cannot commit it")
    vm.has_nothing_of_ours()

    backup = daemon.begin()
    libvirtd.kill9()
    for job in vm.qmp("query-jobs"):
        vm.qmp("block-job-cancel", device=job["id"], force=True)
    libvirtd.start_again()
    wait_until(lambda: daemon.info()["state"] == "broken", 30,
               lambda: f"QEMU's job has ended, but {daemon.info()['state']}")
    daemon.abort()
    stop_load(t, vm)
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
