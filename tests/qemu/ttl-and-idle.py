#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: waits
"""A backup whose time is up is aborted: its checkpoint is merged back, nothing
stays behind, and whoever asks later is told.  Clients that read and
backup-keepalive put the idle timeout off, but not the TTL."""

import json
import socket
import time

from pullbacktest import MIB, VM, Daemon, Disk, Failed, main, wait_until
from pullbacktest.clients import open_nbd


class Events:
    """A client of the control socket that only listens, to how backups end."""

    ENDS = ("BACKUP_BROKEN", "BACKUP_EXPIRED", "BACKUP_ENDED")

    def __init__(self, t, daemon):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(daemon.socket)
        self.file = self.socket.makefile("rb")
        t.defer(self.socket.close)
        json.loads(self.file.readline())

    def _next(self, event):
        while True:
            try:
                line = self.file.readline()
            except OSError:
                raise Failed(f"no event {event}")
            if json.loads(line)["event"] in self.ENDS:
                return json.loads(line)

    def expect(self, *wanted):
        """Exactly these next, as (event, word of its text)."""
        for event, word in wanted:
            got = self._next(event)
            if got["event"] != event or got["data"]["domain"] != "vm1" \
                    or word not in str(got["data"]) \
                    or abs(got["timestamp"]["seconds"] - time.time()) > 600:
                raise Failed(f"want event {event} with {word}, got {got}")


def gone(daemon):
    return not daemon.cli("backup-list")["backups"]


def wait_expired(t, daemon, deadline, *saying):
    wait_until(lambda: gone(daemon), deadline, "the backup does not expire")
    for verb in ("backup-info", "backup-commit", "backup-keepalive"):
        daemon.refuses(verb, "vm1", saying=("expired",) + saying)
    daemon.assert_nothing_left(20)


def ttl_merges_back(t, vm, daemon):
    daemon.begin("--checkpoint", "one")
    daemon.commit()
    vm.guest(f"write vda {3 * MIB} 65536 7")
    before = vm.state()
    start = time.monotonic()
    backup = daemon.begin("--checkpoint", "two", "--incremental", "one",
                          "--ttl", "3")
    t.check(0 < backup["ttl-left"] <= 3, f"ttl-left: {backup['ttl-left']}")
    t.check(backup["idle-left"] is None, f"idle: {backup['idle-left']}")
    vm.guest(f"write vda {9 * MIB} 65536 8")
    handle = None
    # A client that is at work does not put the TTL off.
    while not gone(daemon):
        try:
            handle = handle or open_nbd(backup["disk"]["vda"]["uri"])
            handle.pread(4096, 0)
        except Exception:
            break
        if time.monotonic() > start + 60:
            raise Failed("the TTL of 3 s did not end the backup in 60 s")
        time.sleep(0.05)
    lasted = time.monotonic() - start
    t.check(lasted > 2.5, f"the TTL of 3 s ended it after {lasted:.1f} s")
    wait_expired(t, daemon, 10, "TTL of 3 s")
    vm.assert_clean(before)
    names = [c["name"] for c in daemon.cli("checkpoint-list", "vm1")
             ["checkpoints"]]
    t.check(names == ["one"], f"checkpoints after expiry: {names}")
    # What was written before and during it is in the next delta.
    disk = daemon.begin("--incremental", "one")["disk"]["vda"]
    t.check(disk["mode"] == "incremental", f"mode {disk['mode']}")
    t.check(disk["dirty-bytes"] == 2 * 65536,
            f"dirty-bytes {disk['dirty-bytes']}, want {2 * 65536}")
    daemon.abort()
    daemon.refuses("backup-info", "vm1", saying=("aborted",))


def stays(daemon, seconds, act):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        act()
        # No program, which may take long to start.
        if not daemon.ask("backup-list")["backups"]:
            raise Failed("the backup expired although it was in use")
        time.sleep(0.3)


def idle_is_put_off(t, vm, daemon):
    backup = daemon.begin("--idle-timeout", "3")
    t.check(backup["ttl-left"] is None, f"ttl-left {backup['ttl-left']}")
    handle = open_nbd(backup["disk"]["vda"]["uri"])
    stays(daemon, 7, lambda: handle.pread(4096, 0))
    stays(daemon, 7, lambda: daemon.ask("backup-keepalive", domain="vm1"))
    left = daemon.ask("backup-keepalive", domain="vm1")["idle-left"]
    t.check(left == 3, f"idle-left after keepalive: {left}")
    start = time.monotonic()
    # A client that is there and does nothing is idle.
    wait_expired(t, daemon, 15, "no client", "3 s")
    lasted = time.monotonic() - start
    t.check(lasted > 2, f"ended {lasted:.1f} s after a keepalive")


def broken_is_told(t, vm, daemon, events):
    daemon.begin()
    job = vm.qmp("query-block-jobs")[0]["device"]
    vm.qmp("block-job-cancel", device=job)
    events.expect(("BACKUP_BROKEN", "somebody else"))
    daemon.abort()
    events.expect(("BACKUP_ENDED", "broken: "))
    daemon.refuses("backup-info", "vm1", saying=("broken", "somebody else"))


def test(t):
    vm = VM(t, [Disk("vda", "qcow2", 64 * MIB)])
    daemon = Daemon(t)
    daemon.add(vm)
    daemon.refuses("backup-info", "vm1", saying=("no backup of vm1",))
    daemon.refuses("backup-begin", "vm1", "--ttl", "soon",
                   saying=("ttl", "seconds"))
    events = Events(t, daemon)
    ttl_merges_back(t, vm, daemon)
    events.expect(("BACKUP_ENDED", "committed"), ("BACKUP_EXPIRED", "TTL"),
                  ("BACKUP_ENDED", "expired: its TTL"),
                  ("BACKUP_ENDED", "aborted"))
    idle_is_put_off(t, vm, daemon)
    events.expect(("BACKUP_EXPIRED", "no client"),
                  ("BACKUP_ENDED", "expired: no client"))
    broken_is_told(t, vm, daemon, events)
    daemon.terminate()
    daemon.more = ["--default-ttl", "2"]
    daemon.start()
    daemon.begin()
    wait_expired(t, daemon, 15, "TTL of 2 s")
    t.check(daemon.begin("--ttl", "0")["ttl-left"] is None,
            "--ttl 0 does not switch the daemon's default off")
    daemon.commit()
    daemon.refuses("backup-info", "vm1", saying=("committed",))
    vm.quit()
    daemon.assert_nothing_left(20)


main(test)
