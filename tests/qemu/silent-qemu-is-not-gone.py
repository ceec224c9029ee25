#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: waits
"""A QEMU that runs but answers nothing when a backup is to end keeps its backup and
its sink, which the guest's writes need: at abort, at commit, and when the next daemon
finds the journal.  Once it answers, all goes on."""

from pullbacktest import (MIB, VM, Daemon, Disk, alive, main, start_load,
                          stop_load, wait_until)
from pullbacktest.fakeqmp import QmpProxy
from pullbacktest.liststeps import in_haste


def writes(vm):
    return sum(d["stats"]["wr_operations"] for d in vm.qmp("query-blockstats"))


def check_guest_writes(t, vm, sink, when):
    t.check(alive(sink), f"{when}: the sink was ended")
    seen = writes(vm)
    wait_until(lambda: writes(vm) > seen + 10, 20,
               f"{when}: the guest's writes wait")


def silent_at_end(t, vm, daemon, proxy):
    """Commit and abort say no; then the commit is as good as ever."""
    daemon.begin("--checkpoint", "one")
    sink = daemon.pid_of("sink")
    proxy.on()
    for verb in ("backup-commit", "backup-abort"):
        daemon.refuses(verb, "vm1", saying=["does not answer", "kept"])
        check_guest_writes(t, vm, sink, verb)
        t.check(daemon.info()["state"] == "ready",
                f"after the {verb} it is {daemon.info()['state']}")
    proxy.off()
    t.check(daemon.commit()["state"] == "committed", "no commit afterwards")
    daemon.assert_nothing_left()


def silent_at_recovery(t, vm, daemon, proxy, before):
    daemon.begin("--checkpoint", "gone", "--incremental", "one")
    sink = daemon.pid_of("sink")
    daemon.kill9()
    proxy.on()
    daemon.start()
    for verb in ("backup-commit", "backup-abort"):
        daemon.refuses(verb, "vm1", saying=["does not answer", "kept"])
    check_guest_writes(t, vm, sink, "taken over")
    proxy.off()
    # A command finds that QEMU answers again.
    wait_until(lambda: daemon.cli("backup-abort", "vm1", check=False)
               .returncode == 0, 60, "QEMU is not asked again")
    daemon.assert_nothing_left(deadline=20)
    vm.assert_clean(before)


def test(t):
    vm = VM(t, [Disk("vda", "raw", 32 * MIB)])
    proxy = QmpProxy(t, vm, "mute", "mute", switched=True)
    daemon = Daemon(t, env=in_haste(4))
    daemon.cli("domain-add", "vm1", "--qmp", proxy.path)
    start_load(t, vm, "rate=100")
    t.say("silent when it is to end")
    silent_at_end(t, vm, daemon, proxy)
    before = vm.state()
    t.say("silent at recovery, after a greeting")
    daemon.terminate()
    proxy.kill()
    proxy.start("hang-after=query-jobs")
    daemon.start()
    silent_at_recovery(t, vm, daemon, proxy, before)
    t.say(f"guest: {stop_load(t, vm)}")


main(test)
