#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: faults
"""The daemon ends by SIGTERM, as for a restart or an upgrade, with a backup in
flight, and comes back as another executable: an nbdcopy that runs across it ends
well, the TCP port, the TTL and the journal's facts stay, an expired backup ends
at once; what is not READY, or whose job is gone meanwhile, does not go on."""

import json
import os
import shutil
import subprocess
import time

from pullbacktest import (MIB, VM, Daemon, Disk, alive, freeze, kill, main, need,
                          run, same, start_load, stop_load, wait_until)
from pullbacktest.obstacles import kept_port

def journal(daemon):
    return os.path.join(daemon.state, "vm1", "job.json")


def upgrade(t, daemon):
    """The program that comes next lies elsewhere, and the old one is gone from
    its place in PATH."""
    place = t.path("new")
    os.makedirs(place)
    found = shutil.which("pullback-backupd", path=daemon.env["PATH"])
    shutil.copy(found, place)
    daemon.env["PATH"] = place + ":" + daemon.env["PATH"]


def across_a_restart(t, vm, daemon):
    port = kept_port(t)
    backup, references = freeze(t, vm, daemon, "--checkpoint", "one", "--tcp",
                                str(port), "--ttl", "600")
    uri = backup["disk"]["vda"]["uri"]
    pids = daemon.processes()
    copy = subprocess.Popen(["nbdcopy", "--connections=1", "--requests=1",
                             "--request-size=65536", uri, t.path("pull")])
    t.defer(copy.wait)
    t.defer(copy.kill)
    left = daemon.info()["ttl-left"]
    daemon.leave()
    for pid in pids.values():
        need(alive(pid), "a process of the backup ended with the daemon")
    upgrade(t, daemon)
    daemon.start()
    info = daemon.info()
    t.check(info["processes"] == pids, f"{info['processes']}, were {pids}")
    t.check(info["server"] == backup["server"], f"{info['server']}")
    t.check(info["adopted"] == 1 and info["ttl-left"] <= left, f"{info}")
    t.check(copy.wait(timeout=60) == 0, "the nbdcopy across it failed")
    same(references["vda"], t.path("pull"), "pulled across it")
    # Its port stays also where nobody held it meanwhile.
    daemon.kill9()
    kill(pids["gateway"])
    wait_until(lambda: not alive(pids["gateway"]), 10, "it does not die")
    daemon.start()
    t.check(daemon.info()["server"] == backup["server"], "it moved")
    run("nbdcopy", uri, t.path("pull"))
    same(references["vda"], t.path("pull"), "pulled from the same port")
    daemon.commit()


def expired_meanwhile(t, daemon):
    daemon.begin("--ttl", "2")
    daemon.leave()
    since = time.monotonic()
    wait_until(lambda: time.monotonic() > since + 2.2, 10)
    daemon.start()
    wait_until(lambda: "expired" in daemon.pullback(
        "backup-info", "vm1", check=False).stderr, 20, "it does not expire")
    daemon.assert_nothing_left(deadline=10)


def job_gone_meanwhile(t, vm, daemon):
    daemon.begin("--checkpoint", "gone")
    daemon.leave()
    for job in vm.qmp("query-jobs"):
        vm.qmp("job-cancel", id=job["id"])
    wait_until(lambda: all(job["status"] == "concluded"
                           for job in vm.qmp("query-jobs")), 20, "no end")
    daemon.start()
    wait_until(lambda: daemon.info()["state"] == "broken", 20,
               lambda: f"it is not broken: {daemon.info()}")
    daemon.refuses("backup-commit", "vm1", saying=["broken", "job"])
    daemon.abort()
    daemon.assert_nothing_left()


def older_journal(t, vm, daemon):
    """As the version before wrote it: it says too little, so it is undone."""
    before = vm.state()
    daemon.begin("--checkpoint", "old")
    daemon.leave()
    with open(journal(daemon)) as stream:
        text = json.load(stream)
    keep = ("domain", "client-socket", "runtime", "maps", "scratch", "qemu",
            "tag", "frozen", "checkpoint")
    text = {**{key: text[key] for key in keep}, "version": 2,
            "disks": [{key: disk[key] for key in ("name", "node", "qdev")}
                      for disk in text["disks"]]}
    with open(journal(daemon), "w") as stream:
        json.dump(text, stream)
    daemon.start()
    daemon.assert_nothing_left(deadline=30)
    vm.assert_clean(before)
    daemon.wait_ended("aborted: the daemon ended")


def not_ready(t, vm, daemon):
    """It says that it was being undone, whatever else is there."""
    before = vm.state()
    daemon.begin("--checkpoint", "old")
    daemon.leave()
    with open(journal(daemon)) as stream:
        text = json.load(stream)
    need(text["phase"] == "ready", f"{text['phase']}")
    text["phase"] = "end"
    with open(journal(daemon), "w") as stream:
        json.dump(text, stream)
    daemon.start()
    daemon.assert_nothing_left(deadline=30)
    vm.assert_clean(before)


def qemu_gone_meanwhile(t, vm, daemon):
    daemon.begin("--checkpoint", "late")
    daemon.leave()
    vm.quit()
    daemon.start()
    daemon.assert_nothing_left(deadline=30)
    daemon.wait_ended("qemu-exited")


def test(t):
    vm = VM(t, [Disk("vda", "raw", 32 * MIB)])
    daemon = Daemon(t)
    daemon.add(vm)
    start_load(t, vm, "rate=100 max=65536")
    across_a_restart(t, vm, daemon)
    t.say(f"guest: {stop_load(t, vm)}")
    expired_meanwhile(t, daemon)
    job_gone_meanwhile(t, vm, daemon)
    older_journal(t, vm, daemon)
    not_ready(t, vm, daemon)
    qemu_gone_meanwhile(t, vm, daemon)


main(test)
