#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: waits
"""A commit whose checkpoint is stored has succeeded, also where QEMU does not let go
of the backup then: the answer, backup-info, the catalog and the next begin agree,
and what is left ends as soon as QEMU lets it, by itself, by the next command, by the
next daemon, or with QEMU."""

from pullbacktest import (MIB, VM, Daemon, Disk, alive, main, start_load,
                          stop_load, wait_until)
from pullbacktest.fakeqmp import QmpProxy
from pullbacktest.liststeps import in_haste


class World:
    def __init__(self, t):
        self.t = t
        self.vm = VM(t, [Disk("vda", "raw", 32 * MIB)])
        self.proxy = QmpProxy(t, self.vm, "p", "refuse=job-cancel",
                              switched=True)
        self.daemon = Daemon(t, env=in_haste(4))
        self.daemon.cli("domain-add", "vm1", "--qmp", self.proxy.path)
        self.names = []
        start_load(t, self.vm, "rate=50")

    def committed(self):
        return [c["name"] for c in self.daemon.cli(
            "checkpoint-list", "vm1")["checkpoints"]
            if c["state"] == "committed"]

    def half_commit(self, name):
        """A commit, and then QEMU refuses to end its job."""
        base = ["--incremental", self.names[-1]] if self.names else []
        disk = self.daemon.begin("--checkpoint", name, *base)["disk"]["vda"]
        self.t.check(disk["mode"] == ("incremental" if base else "full"),
                     f"{name}: {disk['mode']}, {disk.get('reason')}")
        self.names.append(name)
        sink = self.daemon.pid_of("sink")
        self.proxy.on()
        reply = self.daemon.commit()
        self.t.check(reply["state"] == "committed" and
                     "not let go" in str(reply.get("notes")),
                     f"the commit answered {reply}")
        self.check_ending(sink)

    def check_ending(self, sink):
        info = self.daemon.info()
        self.t.check(info["state"] == "ending", f"{info['state']}")
        self.t.check("committed" in info["reason"], f"{info['reason']}")
        self.t.check(alive(sink), "the sink was ended under QEMU's job")
        for words in (["backup-begin", "vm1"], ["backup-abort", "vm1"],
                      ["checkpoint-create", "vm1", "other"]):
            self.daemon.refuses(*words, saying=["is committed", "let go"])
        again = self.daemon.commit()
        self.t.check(again["state"] == "committed", f"again: {again}")

    def check_ended(self, what):
        wait_until(lambda: not self.daemon.files_left()
                   and not self.daemon.children(), 40,
                   lambda: f"{what}: left {self.daemon.files_left()} "
                   f"{self.daemon.children()}")
        self.t.check(self.committed() == self.names,
                     f"{what}: committed are {self.committed()}, want "
                     f"{self.names}")


def test(t):
    world = World(t)
    daemon = world.daemon
    t.say("ends by itself")
    world.half_commit("one")
    world.proxy.off()
    world.check_ended("by itself")
    daemon.refuses("backup-info", "vm1", saying=["the last one ended: "
                                                 "committed"])
    t.say("ends by the next begin")
    world.half_commit("two")
    world.proxy.off()
    daemon.begin("--incremental", "two")
    daemon.abort()
    world.check_ended("by the next begin")
    t.say("ends by the next daemon")
    world.half_commit("three")
    daemon.terminate(status=3)
    world.proxy.off()
    daemon.start()
    world.check_ended("by the next daemon")
    t.say(f"guest: {stop_load(t, world.vm)}")
    t.say("ends with QEMU")
    world.half_commit("four")
    world.vm.kill9()
    world.proxy.kill()
    wait_until(lambda: not daemon.files_left() and not daemon.children(), 40,
               "the backup does not end with QEMU")
    daemon.wait_ended("ended: committed")


main(test)
