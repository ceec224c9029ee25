#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: faults
# mark: long
"""Ten virtual machines of one libvirtd are backed up at once, and take no longer when an
eleventh QEMU hangs (SIGSTOP), be it with a backup open or in the midst of its begin."""

import concurrent.futures
import os
import signal
import time

from pullbacktest import MIB, Daemon, Disk, main, need, wait_until
from pullbacktest.libvirtd import Domain, Libvirtd

TEN = [f"vm{i}" for i in range(10)]
# Of what they need without it: who waits for one that hangs waits for far longer.
FACTOR, MORE = 4, 5.0


def machine(t, libvirtd, name):
    return Domain(libvirtd, [Disk("vda", "qcow2", MIB, path=t.path(f"{name}.qcow2"))],
                  name=name, ordinary=True, boot=False)


def ten(t, daemon, when):
    """backup-begin and backup-commit of all at once: how long the slowest took."""
    slowest = []
    with concurrent.futures.ThreadPoolExecutor(len(TEN)) as pool:
        for verb in "backup-begin", "backup-commit":
            def one(name, verb=verb):
                start = time.monotonic()
                done = daemon.pullback(verb, name, check=False, timeout=200)
                t.check(done.returncode == 0,
                        f"{when}: {verb} {name}: {done.stderr}")
                return time.monotonic() - start
            slowest.append(max(pool.map(one, TEN)))
    t.say(f"{when}: begin {slowest[0]:.2f} s, commit {slowest[1]:.2f} s")
    return slowest


def are_not_delayed(t, daemon, before, when):
    for word, was, now in zip(("begin", "commit"), before, ten(t, daemon, when)):
        t.check(now < FACTOR * was + MORE,
                f"{when}: {word} took {now:.1f} s, and {was:.1f} s without")


def hangs_amid_begin(t, daemon, hung, pause, before):
    with open(pause, "w") as stream:
        stream.write("attach-sink")
    client = t.start("pullback", "--socket", daemon.socket, "backup-begin", "hung")
    wait_until(lambda: os.path.exists(pause + ".paused"), 40, "it does not begin")
    os.kill(hung.pid, signal.SIGSTOP)
    os.unlink(pause + ".paused")
    are_not_delayed(t, daemon, before, "beside one that hangs in its begin")
    os.kill(hung.pid, signal.SIGCONT)
    client.wait(timeout=120)


def test(t):
    pause = t.path("pause")
    libvirtd = Libvirtd(t)
    hung = machine(t, libvirtd, "hung")
    for name in TEN:
        machine(t, libvirtd, name)
    daemon = Daemon(t, within=libvirtd.within, env={"PULLBACK_PAUSE": pause})
    daemon.cli("domain-add", "--libvirt", libvirtd.uri, "--all")
    ten(t, daemon, "for the first time")
    before = ten(t, daemon, "before")

    daemon.begin(name="hung")
    os.kill(hung.pid, signal.SIGSTOP)
    # Somebody waits for it all the time.
    commit = t.start("pullback", "--socket", daemon.socket, "backup-commit", "hung")
    are_not_delayed(t, daemon, before, "beside one that hangs")
    os.kill(hung.pid, signal.SIGCONT)
    commit.wait(timeout=120)
    wait_until(lambda: daemon.pullback("domain-info", "hung", check=False)
               .returncode == 0, 60, "it goes on, but is not asked")
    daemon.pullback("backup-abort", "hung", check=False)
    wait_until(lambda: not daemon.files_left(), 60, "its backup stays")

    hangs_amid_begin(t, daemon, hung, pause, before)
    wait_until(lambda: daemon.pullback("domain-info", "hung", check=False)
               .returncode == 0, 60, "it goes on, but is not asked")
    daemon.pullback("backup-abort", "hung", check=False)
    wait_until(lambda: not daemon.files_left(), 60, "its backup stays")
    hung.has_nothing_of_ours()
    need(libvirtd.virsh("list").returncode == 0, "virsh list")
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
