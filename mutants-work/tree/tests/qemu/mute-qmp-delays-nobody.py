#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A domain-add of a QMP socket that never answers delays no other command, and
what it fails with is its own: domains are added, removed, listed, backed up
while it waits."""

import threading

from pullbacktest import MIB, VM, Daemon, Disk, main, need, wait_until
from pullbacktest.fakeqmp import FakeQmp


class Add:
    """domain-add of the socket PATH in a thread."""

    def __init__(self, t, daemon, path):
        self.done = None
        self.thread = threading.Thread(target=self._run, args=(daemon, path))
        self.thread.start()
        t.defer(self.thread.join)

    def _run(self, daemon, path):
        self.done = daemon.cli("domain-add", "mute", "--qmp", path,
                               check=False)

    def waits(self):
        return self.thread.is_alive()

    def result(self):
        self.thread.join()
        return self.done


def others(t, daemon, vms, path):
    """{what: command} that must be answered in the meantime, and may be given
    again."""
    def add_remove():
        daemon.add(vms[1], name="vm2")
        daemon.cli("domain-remove", "vm2")

    def backup():
        daemon.begin()
        daemon.abort()

    def listing():
        t.check("mute" not in str(daemon.cli("domain-list")),
                "a domain is listed that is not added yet")

    return {
        "domain-add and domain-remove": add_remove,
        "domain-list": listing,
        "domain-info": lambda: daemon.cli("domain-info", "vm1"),
        "a backup": backup,
        "the same name": lambda: daemon.refuses(
            "domain-add", "mute", "--qmp", vms[1].qmp_path,
            saying=["mute", "already"]),
        "the same socket": lambda: daemon.refuses(
            "domain-add", "other", "--qmp", path, saying=["already"]),
        "its own name": lambda: daemon.refuses(
            "domain-info", "mute", saying=["being added"]),
    }


def one_wait(t, daemon, fake, path, left):
    """Runs of LEFT what can be run during one domain-add, and takes it out."""
    seen = len(fake.links)
    add = Add(t, daemon, path)
    wait_until(lambda: len(fake.links) > seen, 20,
               "the daemon does not connect")
    for what, run in list(left.items()):
        problems = len(t.problems)
        run()
        if not add.waits():
            # What it saw may be of after the wait.
            del t.problems[problems:]
            break
        t.say(f"{what} did not wait")
        del left[what]
    done = add.result()
    t.check(done.returncode != 0 and "no greeting" in done.stderr,
            f"domain-add said: {done.stderr}")


def test(t):
    vms = [VM(t, [Disk("vda", path=t.path(f"{n}.raw"), size=16 * MIB)],
              boot=False) for n in range(2)]
    daemon = Daemon(t)
    daemon.add(vms[0])
    path = t.path("mute.qmp")
    with FakeQmp(path, "silent") as fake:
        left = others(t, daemon, vms, path)
        # Which one waits is told by who is first, not by a clock.
        while left:
            first = next(iter(left))
            for _ in range(3):
                one_wait(t, daemon, fake, path, left)
                if first not in left:
                    break
            need(first not in left, f"{first} waits for the domain-add of a "
                 "QMP socket that is mute")
    t.check("mute" not in str(daemon.cli("domain-list")), "it was added")
    daemon.add(vms[1], name="mute")
    daemon.assert_nothing_left()


main(test)
