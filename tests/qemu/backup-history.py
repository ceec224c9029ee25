#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""backup-list --history has each backup that has ended, the newest first, in
this life of the daemon and the next; a torn line is left out, and the oldest
go.  Each BACKUP_BEGUN is followed by one BACKUP_ENDED."""

import json
import os
import socket
import threading

from pullbacktest import MIB, VM, Daemon, Disk, kill, main, need, wait_until


class Listener:
    """What the daemon tells, until the test ends."""

    def __init__(self, t, daemon):
        self.events = []
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(daemon.socket)
        thread = threading.Thread(target=self._read)
        thread.start()
        t.defer(thread.join)
        t.defer(lambda: self.socket.shutdown(socket.SHUT_RDWR))

    def _read(self):
        for line in self.socket.makefile("rb"):
            message = json.loads(line)
            if "event" in message:
                self.events.append(message)

    def have(self, *names):
        """These, in this order, are all that there were of vm1."""
        def got():
            return [event["event"] for event in self.events]
        wait_until(lambda: got() == list(names), 10,
                   lambda: f"events {got()}, want {list(names)}")
        return {event["event"]: event["data"] for event in self.events}


def history(daemon):
    return daemon.cli("backup-list", "vm1", "--history")["history"]


def records_in(path):
    with open(path) as f:
        return len(f.readlines())


def outcomes(daemon):
    return [record["outcome"] for record in history(daemon)]


def write(vm, at):
    vm.qmp.hmp("qemu-io -d /machine/peripheral/vda/virtio-backend "
               f"\"write {at} 1M\"")


def committed(t, vm, daemon):
    daemon.begin("--checkpoint", "one")
    daemon.commit()
    write(vm, "1M")
    daemon.begin("--checkpoint", "two", "--incremental", "one")
    sink = daemon.pid_of("sink")
    kill(sink)
    wait_until(lambda: daemon.processes()["sink"] not in (0, sink), 10,
               "the sink is not started again")
    # QEMU connects again where it writes; the end would wait for that.
    write(vm, "2M")
    daemon.commit()
    new, old = history(daemon)
    want = {"result": "committed", "outcome": "committed", "consumer": None,
            "checkpoint": "two", "incremental": "one", "mode": "incremental",
            "dirty-bytes": MIB, "size": 64 * MIB, "restarts": 1}
    have = {key: new.get(key) for key in want}
    have["consumer"] = None
    t.check(have == want, f"the newest: {new}")
    t.check(old["mode"] == "full" and old["checkpoint"] == "one" and
            old["frozen-ms"] > 0, f"the one before: {old}")
    t.check(0 <= new["ended"] - new["started"] < 60 and
            new["duration-ms"] > 0, f"its times: {new}")


def failed(t, daemon):
    daemon.refuses("backup-begin", "vm1", "--incremental", "never", "--strict")
    record = history(daemon)[0]
    t.check(record["result"] == "failed" and "never" in record["outcome"] and
            record["cause"] == "CheckpointNotFound", f"{record}")
    daemon.begin()
    # One that is refused because another runs is no backup.
    daemon.refuses("backup-begin", "vm1")
    daemon.abort()
    t.check(outcomes(daemon)[0] == "aborted" and len(history(daemon)) == 4,
            f"{outcomes(daemon)}")


def events_were(t, listener):
    data = listener.have(
        "DOMAIN_ADDED", "BACKUP_BEGUN", "BACKUP_READY", "BACKUP_ENDED",
        "BACKUP_BEGUN", "BACKUP_READY", "BACKUP_CHILD_RESTARTED",
        "BACKUP_ENDED", "BACKUP_BEGUN", "BACKUP_ENDED", "BACKUP_BEGUN",
        "BACKUP_READY", "BACKUP_ENDED")
    t.check(data["BACKUP_CHILD_RESTARTED"]["role"] == "sink", f"{data}")
    t.check(data["BACKUP_READY"]["mode"] == "full", f"{data}")
    t.check(all(event["data"]["domain"] == "vm1" for event in listener.events),
            f"{listener.events}")


def torn(t, daemon, path):
    before = outcomes(daemon)
    with open(path, "a") as f:
        f.write('{"outcome": "comm')
    t.check(outcomes(daemon) == before, f"a torn line: {outcomes(daemon)}")
    daemon.restart()
    t.check(outcomes(daemon) == before, f"after a restart: {outcomes(daemon)}")
    daemon.begin()
    daemon.abort()
    t.check(outcomes(daemon) == ["aborted", *before],
            f"after a torn line: {outcomes(daemon)}")
    with open(path, "ab") as f:
        f.write(b"\0" * 100 + b"\n[]\n{}\n")
    t.check(outcomes(daemon) == ["aborted", *before],
            f"after a power cut: {outcomes(daemon)}")


def bounded(t, daemon, path):
    with open(path) as f:
        line = f.readline()
    with open(path, "w") as f:
        f.write(line * 999)
    for end in (daemon.abort, daemon.abort, daemon.commit):
        daemon.begin()
        end()
    got = outcomes(daemon)
    t.check(got[:3] == ["committed", "aborted", "aborted"] and
            700 < len(got) <= 1000, f"{len(got)} records, {got[:5]}")


def undone(t, daemon):
    """By the next daemon, as the journal says that its end had begun."""
    daemon.begin("--checkpoint", "lost", "--consumer", "c")
    started = daemon.info()["started"]
    daemon.kill9()
    path = os.path.join(daemon.state, "vm1", "job.json")
    with open(path) as f:
        journal = json.load(f)
    with open(path, "w") as f:
        json.dump({**journal, "phase": "end"}, f)
    before = records_in(os.path.join(daemon.state, "vm1", "history"))
    daemon.start()
    wait_until(lambda: not os.path.exists(path), 30, "it is not undone")
    wait_until(lambda: len(history(daemon)) > before, 10, "no record of it")
    record = history(daemon)[0]
    want = {"result": "aborted", "checkpoint": "lost", "consumer": "c",
            "mode": "full", "size": 64 * MIB, "started": started}
    have = {key: record.get(key) for key in want}
    t.check(have == want, f"undone: {record}")
    t.check(len(history(daemon)) == before + 1, "it is there twice")


def unwritable(t, daemon, path):
    os.unlink(path)
    os.mkdir(path)
    daemon.begin()
    daemon.commit()
    t.check("is not added to" in daemon.log_text(), "nothing is logged")
    daemon.refuses("backup-list", "vm1", "--history", saying=(path,))
    os.rmdir(path)


def test(t):
    vm = VM(t, [Disk("vda", "qcow2", 64 * MIB)], boot=False)
    daemon = Daemon(t)
    listener = Listener(t, daemon)
    daemon.add(vm)
    path = os.path.join(daemon.state, "vm1", "history")
    need(history(daemon) == [], "a new domain has a history")
    committed(t, vm, daemon)
    failed(t, daemon)
    events_were(t, listener)
    said = daemon.pullback("backup-list", "vm1", "--history").stdout
    t.check("incremental" in said and "failed: " in said, f"people see {said}")
    daemon.refuses("backup-list", "vm1", saying=("--history",))
    daemon.refuses("backup-list", "vm2", "--history", saying=("vm2",))
    undone(t, daemon)
    torn(t, daemon, path)
    bounded(t, daemon, path)
    unwritable(t, daemon, path)
    daemon.begin()
    daemon.abort()
    daemon.cli("domain-remove", "vm1", "--checkpoints-metadata")
    t.check(not os.path.exists(path), "a removed domain has a history")
    daemon.assert_nothing_left()


main(test)
