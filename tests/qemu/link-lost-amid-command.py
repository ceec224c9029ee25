#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: waits
"""The link to QEMU's monitor is lost in the middle of a begin or a commit, or for
good together with the process that made its socket, while QEMU and its jobs go on:
the sink stays, and once there is a monitor again the backup is ended or goes on."""

from pullbacktest import (MIB, VM, Daemon, Disk, alive, main, start_load,
                          stop_load, wait_until)
from pullbacktest.fakeqmp import QmpProxy
from pullbacktest.liststeps import in_haste


def sink_of(daemon):
    return [pid for pid, words in daemon.children() if "role=sink" in words]


def amid_begin(t, vm, daemon, proxy, before):
    """QEMU has run the transaction; the daemon never reads so."""
    proxy.on()
    daemon.refuses("backup-begin", "vm1", "--checkpoint", "gone",
                   saying=["lost"])
    t.check(vm.qmp("query-jobs"), "there is no job: nothing is tested")
    t.check(len(sink_of(daemon)) == 1, "the sink was ended under QEMU's job")
    proxy.off()
    # Nobody asks for it.
    wait_until(lambda: not vm.qmp("query-jobs"), 60, "the begin is not undone")
    wait_until(lambda: daemon.cli("domain-info", "vm1")["backup"] == "none", 20,
               "the backup that did not begin is still there")
    daemon.assert_nothing_left()
    vm.assert_clean(before)


def amid_commit(t, vm, daemon, proxy):
    daemon.begin("--checkpoint", "one")
    sink = daemon.pid_of("sink")
    proxy.kill()
    proxy.start("cut-after=query-jobs")
    wait_until(lambda: daemon.cli("domain-info", "vm1", check=False)
               .returncode == 0, 40, "the daemon does not connect again")
    proxy.on()
    done = daemon.cli("backup-commit", "vm1", check=False)
    t.say(f"    {done.stderr.strip()}")
    t.check(done.returncode != 0, "a commit without QEMU")
    t.check(alive(sink), "the sink was ended")
    t.check(daemon.info()["state"] == "ready", f"{daemon.info()}")
    proxy.off()


def without_socket_maker(t, vm, daemon, proxy):
    """Who made QEMU's socket has exited: QEMU has not."""
    sink = daemon.pid_of("sink")
    proxy.kill()
    wait_until(lambda: "cannot be asked" in open(daemon.log_path).read(), 20,
               "the daemon does not see that the link is lost")
    t.check(daemon.info()["state"] == "ready", f"{daemon.info()}")
    t.check(alive(sink), "the sink was ended with a process that is not QEMU")
    proxy.start("pass")
    wait_until(lambda: daemon.cli("backup-commit", "vm1", check=False)
               .returncode == 0, 40, "the backup cannot be committed")
    daemon.assert_nothing_left()
    names = [(c["name"], c["state"]) for c in
             daemon.cli("checkpoint-list", "vm1")["checkpoints"]]
    t.check(names == [("one", "committed")], f"checkpoints: {names}")


def test(t):
    vm = VM(t, [Disk("vda", "raw", 32 * MIB)])
    before = vm.state()
    proxy = QmpProxy(t, vm, "cut", "cut-after=transaction", switched=True)
    daemon = Daemon(t, env=in_haste(4))
    daemon.cli("domain-add", "vm1", "--qmp", proxy.path)
    start_load(t, vm, "rate=100")
    t.say("amid a begin")
    amid_begin(t, vm, daemon, proxy, before)
    t.say("amid a commit")
    amid_commit(t, vm, daemon, proxy)
    t.say("together with who made the socket")
    without_socket_maker(t, vm, daemon, proxy)
    t.say(f"guest: {stop_load(t, vm)}")


main(test)
