#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""With the real guest agent: a quiesced backup has a file system that needs no
recovery and has all that was written; one that is not quiesced does not.  A
daemon that dies while the guest is frozen leaves it thawed."""

import os
import subprocess
import time

from pullbacktest import (MIB, VM, Daemon, Disk, Failed, main, nbdcopy, run,
                          wait_until)

# Less than the 10 s after which a guest is thawed whoever lives.
FREEZE_LIMIT = 8


def writes(vm):
    """How many writes the guest has done on vda."""
    for device in vm.qmp("query-blockstats"):
        if device.get("node-name") == "node-vda" or "vda" in str(
                device.get("qdev", "")):
            return device["stats"]["wr_operations"]
    raise Failed("query-blockstats does not know vda")


def wait_writing(vm, what):
    before = writes(vm)
    wait_until(lambda: writes(vm) > before, 20, what)


def freeze_is_real(t, vm):
    """The guest's writer stops, which it does not do by itself."""
    process = subprocess.Popen(
        ["pullback-quiesce", "--agent", vm.agent_path],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline().strip()
    t.check(line == "frozen 1", f"pullback-quiesce says {line!r}")
    before = writes(vm)
    time.sleep(1)
    t.check(writes(vm) == before, "the guest writes although it is frozen")
    out, _ = process.communicate("thaw\n", timeout=60)
    t.say(out.strip())
    t.check(out.startswith("thawed") and out.strip().endswith("asked"), out)
    wait_writing(vm, "the guest does not write after the thaw")


def needs_recovery(path):
    return "needs_recovery" in run("dumpe2fs", "-h", path).stdout


def log_lines(path):
    """The guest's log, which must be whole: rounds 1 to N."""
    text = run("debugfs", "-R", "cat /log", path).stdout
    lines = text.splitlines()
    wrong = [line for number, line in enumerate(lines, 1)
             if not line.endswith(f" round {number}")]
    if wrong or not text.endswith("\n"):
        raise Failed(f"the log in the backup is torn: {wrong[:3]}")
    return len(lines)


def pull(t, daemon, *words):
    backup = daemon.begin(*words)
    path = t.path("pulled")
    nbdcopy(backup["disk"]["vda"]["uri"], path)
    daemon.commit()
    return backup, path


def quiesced_is_clean(t, vm, daemon):
    rounds = 0
    for _ in range(3):
        wait_writing(vm, "the guest does not write")
        backup, path = pull(t, daemon, "--quiesce")
        t.check(backup["consistency"] == "quiesced",
                f"{backup['consistency']}: {backup['consistency-reason']}")
        t.check(0 < backup["quiesced-ms"] < 10000,
                f"quiesced-ms: {backup['quiesced-ms']}")
        t.say(f"quiesced for {backup['quiesced-ms']} ms, transaction "
              f"{backup['frozen-ms']:.1f} ms")
        t.check(not needs_recovery(path), "a quiesced backup needs recovery")
        run("e2fsck", "-fn", path)
        now = log_lines(path)
        t.check(now >= rounds and now > 0, f"{now} rounds after {rounds}")
        rounds = now
    backup, path = pull(t, daemon)
    t.check(backup["consistency"] == "crash-consistent", "not asked for")
    t.check(needs_recovery(path), "without --quiesce it needs no recovery: "
            "the look at quiesced ones proves nothing")


def checkpoint_is_quiesced(t, vm, daemon):
    made = daemon.cli("checkpoint-create", "vm1", "quiet", "--quiesce")
    t.check(made["consistency"] == "quiesced" and made["quiesced-ms"] > 0,
            f"checkpoint: {made}")
    wait_writing(vm, "the guest stays frozen after a checkpoint")
    daemon.refuses("checkpoint-create", "vm1", "x", "--quiesce", "--redefine",
                   saying=["redefine"])


def daemon_dies(t, vm, daemon):
    daemon.terminate()
    daemon.env["PULLBACK_STOP_AFTER"] = "quiesce"
    daemon.start()
    done = daemon.cli("backup-begin", "vm1", "--quiesce", check=False)
    if done.returncode == 0:
        t.say("not built with --enable-stop-after: the daemon does not die")
        daemon.abort()
        return
    daemon.process.wait(timeout=60)
    died = time.monotonic()
    wait_writing(vm, "the guest stays frozen after the daemon died")
    took = time.monotonic() - died
    t.check(took < FREEZE_LIMIT, f"thawed {took:.1f} s after the daemon died")
    del daemon.env["PULLBACK_STOP_AFTER"]
    daemon.start()
    pull(t, daemon, "--quiesce")
    daemon.assert_nothing_left(20)


def test(t):
    disk = t.path("vda.raw")
    with open(disk, "wb") as out:
        out.truncate(256 * MIB)
    run("mke2fs", "-q", "-F", "-t", "ext4", disk)
    vm = VM(t, [Disk("vda", "raw", 256 * MIB, path=disk)], agent=True)
    vm.guest("mount vda")
    vm.guest("fswork seed=7")
    wait_until(lambda: os.path.exists(vm.agent_path), 10, "no agent port")
    daemon = Daemon(t)
    daemon.add(vm, "--agent", vm.agent_path)
    freeze_is_real(t, vm)
    quiesced_is_clean(t, vm, daemon)
    checkpoint_is_quiesced(t, vm, daemon)
    daemon_dies(t, vm, daemon)


main(test)
