#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: waits
# mark: faults
"""Bad input and bad surroundings: one clear sentence that names the thing, a
non-zero exit status, and VM, bitmaps and disks as they were."""

import os
import signal
import socket

from pullbacktest import MIB, VM, Daemon, Disk, QmpError, kill, main, run
from pullbacktest.fakeqmp import FakeQmp
from pullbacktest.liststeps import in_haste


def sockets(t, vm, daemon):
    def add(path, *saying):
        daemon.refuses("domain-add", "bad", "--qmp", path, saying=saying)

    add("/nonexistent/qmp", "/nonexistent/qmp")
    plain = t.path("plain-file")
    open(plain, "w").close()
    add(plain, plain)
    dead = t.path("dead.sock")
    with socket.socket(socket.AF_UNIX) as nobody:
        nobody.bind(dead)
    add(dead, dead)
    add(t.path("x" * 200), "xxx")
    with FakeQmp(t.path("http"), "http") as fake:
        add(fake.path, fake.path, "QMP")
    with FakeQmp(t.path("silent"), "silent") as fake:
        add(fake.path, fake.path)
    with FakeQmp(t.path("halts"), "halts") as fake:
        add(fake.path, fake.path)
    with FakeQmp(t.path("huge"), "huge") as fake:
        add(fake.path, fake.path)
    with FakeQmp(t.path("old"), "old") as fake:
        add(fake.path)
    listed = str(daemon.cli("domain-list"))
    t.check("bad" not in listed, f"a refused domain is listed: {listed}")


def names(t, vm, daemon):
    long = "n" * 5000
    for name in ("a/b", "a^b", "a@b", "a b", "", "..", long, "a\nb", "ü^"):
        daemon.refuses("domain-add", name, "--qmp", vm.qmp_path)
        daemon.refuses("backup-begin", "vm1", "--checkpoint", name)
        daemon.refuses("backup-begin", name)
    for name in ("a/b", "a@b", long):
        daemon.refuses("backup-begin", "vm1", "--disk", name)
        daemon.refuses("backup-begin", "vm1", "--incremental", name)
    daemon.refuses("domain-add", "vm2", "--qmp", vm.qmp_path, "--disk",
                   "a/b=node-vda", saying=["a/b"])


def unknown(t, vm, daemon):
    for verb in ("backup-begin", "backup-commit", "backup-abort",
                 "backup-info", "checkpoint-list", "domain-remove"):
        daemon.refuses(verb, "nobody", saying=["nobody"])
    for verb in ("backup-commit", "backup-abort", "backup-info"):
        daemon.refuses(verb, "vm1", saying=["vm1"])
    daemon.refuses("domain-add", "vm1", "--qmp", vm.qmp_path, saying=["vm1"])
    daemon.refuses("backup-begin", "vm1", "--disk", "sdz", saying=["sdz"])
    daemon.refuses("backup-begin", "vm1", "--strict", "--incremental",
                   "never", saying=["never"])
    daemon.refuses("backup-begin", "vm1", "--incremental", "never",
                   saying=["never"])
    daemon.refuses("no-such-verb", saying=["no-such-verb"])
    daemon.refuses("backup-begin", "vm1", "--no-such-option",
                   saying=["no-such-option"])
    daemon.refuses("backup-begin")
    done = run("pullback", "--socket", t.path("nosuch"), "domain-list",
               check=False)
    t.check(done.returncode != 0 and "nosuch" in done.stderr
            and len(done.stderr.strip().splitlines()) == 1,
            f"no daemon: {done.returncode} {done.stderr!r}")


def server_in_use(t, vm, daemon):
    vm.qmp("nbd-server-start",
           addr={"type": "unix", "data": {"path": t.path("taken")}})
    daemon.refuses("backup-begin", "vm1", saying=["NBD"])
    daemon.refuses("backup-begin", "vm1", "--incremental", "good",
                   saying=["NBD"])
    # It was not ours to stop.
    try:
        vm.qmp("nbd-server-stop")
    except QmpError:
        t.check(False, "somebody else's NBD server was stopped")


def job_on_disk(t, vm, daemon):
    vm.qmp("blockdev-add", driver="null-co", node_name="null",
           size=vm.disks["vda"].size)
    vm.qmp("blockdev-mirror", job_id="other", device="node-vda",
           target="null", sync="none")
    vm.qmp.wait_event("BLOCK_JOB_READY")
    daemon.refuses("backup-begin", "vm1", saying=["vda"])
    t.check([j["id"] for j in vm.qmp("query-jobs")] == ["other"],
            "the other job was touched")
    vm.qmp("job-cancel", id="other")
    while vm.qmp("query-jobs"):
        pass
    vm.qmp("blockdev-del", node_name="null")


def broken_checkpoint(t, vm, daemon):
    """Its bitmap is gone from one disk: full with a reason, or refused."""
    vm.qmp("block-dirty-bitmap-remove", node="node-vda", name="broken")
    # Named for all disks, --strict refuses and says which disk.
    daemon.refuses("backup-begin", "vm1", "--strict", "--incremental",
                   "broken", saying=["vda"])
    disk = daemon.begin("--incremental", "broken")["disk"]["vda"]
    t.check(disk["mode"] == "full" and "bitmap" in disk["reason"],
            f"after its bitmap was removed: {disk}")
    daemon.abort()


def ports(t, vm, daemon):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        daemon.refuses("backup-begin", "vm1", "--tcp", str(port),
                       saying=[str(port)])
    for where in ("99999", "-1", "http", "127.0.0.1:", "1.2.3.4.5:10809",
                  ""):
        daemon.refuses("backup-begin", "vm1", "--tcp", where)


def busy(t, vm, daemon):
    daemon.begin()
    daemon.refuses("backup-begin", "vm1", saying=["vm1"])
    daemon.refuses("domain-remove", "vm1", saying=["vm1"])
    daemon.abort()


def skipped_drives(t, vm, daemon):
    reply = daemon.begin()
    skipped = {s["name"]: s["reason"] for s in reply["skipped"]}
    t.check("vdr" in skipped and "cd0" in skipped,
            f"skipped: {reply['skipped']}")
    t.check(sorted(reply["disk"]) == ["vda", "vdb"],
            f"disks: {sorted(reply['disk'])}")
    daemon.abort()
    daemon.refuses("backup-begin", "vm1", "--disk", "vdr", saying=["vdr"])
    daemon.refuses("backup-begin", "vm1", "--disk", "cd0", saying=["cd0"])


def scratch(t, vm, daemon):
    moved = daemon.scratch + ".away"
    os.rename(daemon.scratch, moved)
    daemon.refuses("backup-begin", "vm1", saying=[daemon.scratch])
    open(daemon.scratch, "w").close()
    daemon.refuses("backup-begin", "vm1", saying=[daemon.scratch])
    os.unlink(daemon.scratch)
    os.rename(moved, daemon.scratch)
    if os.geteuid() == 0 and run("mount", "-t", "tmpfs", "-o", "ro", "tmpfs",
                                 daemon.scratch, check=False).returncode == 0:
        try:
            daemon.refuses("backup-begin", "vm1", saying=[daemon.scratch])
        finally:
            run("umount", daemon.scratch)


def qemu_stops_answering(t, vm, daemon):
    kill(vm.pid, signal.SIGSTOP)
    try:
        daemon.refuses("backup-begin", "vm1", saying=[vm.qmp_path])
    finally:
        kill(vm.pid, signal.SIGCONT)


def test(t):
    more = ["-device", "ahci,id=ahci", "-device", "ide-cd,id=cd0,bus=ahci.0"]
    vm = VM(t, [Disk("vda", "raw", 16 * MIB), Disk("vdb", "qcow2", 16 * MIB),
                Disk("vdr", "raw", 16 * MIB, readonly=True)], boot=False,
            more=more)
    daemon = Daemon(t, env=in_haste(4))
    daemon.add(vm)
    for name in ("good", "broken"):
        daemon.begin("--checkpoint", name)
        daemon.commit()
    for case in (sockets, names, unknown, server_in_use, job_on_disk, ports,
                 busy, skipped_drives, scratch, qemu_stops_answering,
                 broken_checkpoint):
        t.say(case.__name__)
        before = vm.state()
        case(t, vm, daemon)
        if case == broken_checkpoint:
            before = vm.state()
        elif case == qemu_stops_answering:
            # The link was given up; the next use makes a new one.
            daemon.begin()
            daemon.abort()
        vm.assert_clean(before)
        daemon.assert_nothing_left()


main(test)
