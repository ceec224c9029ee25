#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""QEMU and the daemon end at the same time in the middle of a backup, as when a
host shuts down, in either order: the daemon ends in time with status 0, nothing
of the backup stays, the log says what became of it, and the next daemon and
QEMU go on from there."""

import signal
import time

from pullbacktest import MIB, VM, Daemon, Disk, main, wait_until


def end_both(t, vm, daemon, how, daemon_first):
    """Signals that come within 200 ms of each other."""
    pause = t.random.choice((0, 0.001, 0.01, 0.05, 0.2))
    t.say(f"QEMU {how.name}, the daemon {'before' if daemon_first else 'after'}"
          f" it by {pause * 1000:g} ms")
    signals = [lambda: vm.process.send_signal(how),
               lambda: daemon.process.send_signal(signal.SIGINT)]
    for send in reversed(signals) if daemon_first else signals:
        send()
        time.sleep(pause)


def read_log(daemon, offset):
    with open(daemon.log_path) as log:
        log.seek(offset)
        return log.read()


def state_of(daemon, name):
    """Of a checkpoint, in the catalog as it is on the disk."""
    path = f"{daemon.state}/vm1/checkpoints/{name}.xml"
    try:
        with open(path) as stream:
            text = stream.read()
    except FileNotFoundError:
        return None
    return "tentative" if "tentative" in text else "committed"


def check_log(t, daemon, said):
    merged = "merged back" in said
    ended = "QEMU has exited" in said
    left = state_of(daemon, "gone")
    t.check(ended or left is None, f"gone is {left}, and the log does not say "
            f"that QEMU exited: {said}")
    t.check(not merged or left is None,
            f"'merged back' in the log, but gone is {left}: {said}")
    t.check("merged" in said or left is not None,
            f"gone is not there, and the log does not say why: {said}")
    t.check("kept" not in said, f"the log says that something is kept: {said}")


def one_end(t, vm, daemon, how, daemon_first):
    daemon.begin("--checkpoint", "gone", "--incremental", "base")
    with open(daemon.log_path) as log:
        offset = len(log.read())
    end_both(t, vm, daemon, how, daemon_first)
    daemon.process.wait(timeout=60)
    vm.process.wait(timeout=60)
    said = read_log(daemon, offset)
    t.check(daemon.process.returncode == 0,
            f"exit status {daemon.process.returncode}: {said}")
    daemon.assert_nothing_left()
    check_log(t, daemon, said)
    vm.close()


def come_back(t, vm, daemon):
    """Both start again; the checkpoint that was not committed is gone."""
    vm.start()
    daemon.start()
    wait_until(lambda: daemon.cli("backup-begin", "vm1", check=False)
               .returncode == 0, 20, "no backup after both came back")
    daemon.abort()
    names = [c["name"] for c in
             daemon.cli("checkpoint-list", "vm1")["checkpoints"]]
    t.check(names == ["base"], f"checkpoints: {names}")
    t.check("gone" not in str(vm.state()["bitmaps"]), "its bitmap is left")
    daemon.assert_nothing_left()


def test(t):
    vm = VM(t, [Disk("vda", "raw", 32 * MIB), Disk("vdb", "qcow2", 32 * MIB)],
            boot=False)
    daemon = Daemon(t)
    daemon.add(vm)
    daemon.begin("--checkpoint", "base")
    daemon.commit()
    for how in (signal.SIGTERM, signal.SIGKILL):
        for daemon_first in (False, True):
            one_end(t, vm, daemon, how, daemon_first)
            come_back(t, vm, daemon)


main(test)
