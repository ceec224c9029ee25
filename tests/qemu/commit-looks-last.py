#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A commit is refused for what happened where nobody looked: a store that failed
while the commit waited for QEMU, and a job that was cancelled though no event of
that came."""

import threading

from pullbacktest import MIB, VM, Daemon, Disk, main, wait_until
from pullbacktest.clients import open_nbd
from pullbacktest.fakeqmp import QmpProxy
from pullbacktest.obstacles import small_store


def read_fails(disk):
    import nbd
    handle = open_nbd(disk["uri"])
    try:
        for offset in range(0, disk["size"], MIB):
            handle.pread(MIB, offset)
    except nbd.Error:
        return True
    return False


def store_fails_in_commit(t, vm, daemon, proxy):
    disk = daemon.begin("--checkpoint", "mon")["disk"]["vda"]
    proxy.on()
    said = []
    commit = threading.Thread(target=lambda: said.append(
        daemon.pullback("backup-commit", "vm1", check=False).stderr))
    commit.start()
    wait_until(lambda: daemon.info()["state"] == "ending", 10)
    vm.guest(f"write vda 0 {32 * MIB} 18")
    wait_until(lambda: read_fails(disk), 10)
    proxy.off()
    commit.join()
    t.check("is broken (scratch-full: the fleece store of disk vda" in str(said),
            f"the commit said {said}")
    daemon.abort()


def job_ends_unseen(t, vm, daemon):
    daemon.begin("--checkpoint", "tue")
    vm.qmp("job-cancel", id=vm.qmp("query-jobs")[0]["id"])
    wait_until(lambda: vm.qmp("query-jobs")[0]["status"] != "running", 10)
    daemon.refuses("backup-commit", "vm1",
                   saying=["is broken (QEMU's fleecing job does not run"])
    daemon.abort()


def test(t):
    folder = small_store(t)
    vm = VM(t, [Disk("vda", "raw", 32 * MIB)])
    proxy = QmpProxy(t, vm, "p", "mute", switched=True)
    daemon = Daemon(t, scratch=folder)
    daemon.cli("domain-add", "vm1", "--qmp", proxy.path)
    vm.guest(f"write vda 0 {32 * MIB} 17")
    store_fails_in_commit(t, vm, daemon, proxy)
    proxy.kill()
    proxy.start("no-event=BLOCK_JOB_CANCELLED")
    proxy.on()
    job_ends_unseen(t, vm, daemon)
    names = [c["name"] for c in daemon.cli("checkpoint-list", "vm1")
             ["checkpoints"]]
    t.check(not names, f"left: {names}")


main(test)
