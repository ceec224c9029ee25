#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A backup goes on when the guest is reset, and shows what was frozen after the guest
has booted and written again.  It goes on when the guest has shut down and its
QEMU stays, in which what ends the job breaks it as ever, and ends with QEMU."""

from pullbacktest import (MIB, VM, Daemon, Disk, freeze, main, nbdcopy, same,
                          start_load, stop_load, wait_until)


def pull(t, backup, reference, what):
    nbdcopy(backup["disk"]["vda"]["uri"], t.path("copy"))
    same(reference, t.path("copy"), what)


def test(t):
    vm = VM(t, [Disk("vda", "raw", 16 * MIB)], reboots=True,
            more=["-no-shutdown"])
    daemon = Daemon(t)
    daemon.add(vm)
    start_load(t, vm, "rate=200")
    backup, references = freeze(t, vm, daemon)
    vm.guest.close()
    vm.qmp("system_reset")
    vm.meet_guest()
    start_load(t, vm, "rate=200")
    pull(t, backup, references["vda"], "after the reset")
    stop_load(t, vm)
    daemon.commit()

    start_load(t, vm, "rate=200")
    backup, references = freeze(t, vm, daemon)
    stop_load(t, vm)
    vm.guest.send("poweroff")
    wait_until(lambda: vm.qmp("query-status")["status"] == "shutdown", 30,
               "the guest does not shut down")
    pull(t, backup, references["vda"], "after the shutdown")
    daemon.commit()
    daemon.begin()
    job = vm.qmp("query-jobs")[0]["id"]
    vm.qmp("job-cancel", id=job)
    wait_until(lambda: daemon.info()["state"] == "broken", 20, "not broken")
    daemon.abort()

    daemon.begin()
    vm.guest.close()
    vm.qmp("system_reset")
    vm.resume()
    vm.meet_guest()
    vm.guest.send("poweroff")
    wait_until(lambda: vm.qmp("query-status")["status"] == "shutdown", 30,
               "the guest does not shut down")
    vm.quit()
    daemon.assert_nothing_left(20)
    daemon.wait_ended("guest-shutdown")
    daemon.terminate()


main(test)
