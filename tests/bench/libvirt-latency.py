#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: bench --json bench-libvirt-latency.json
"""What it costs that libvirt has the monitor: the same QEMU by libvirt's and by a
monitor of its own, by turns, with nobody else at libvirt and beside four loops of
domstats.

p50-ms, p99-ms, max-ms: of a QMP command (query-status), as pullback-libvirt's caller has
it, 1,000 in a row; event-ms: from QEMU's time of an event to when it is here, the median;
begin-s: a full backup of two disks; held-ms: of it, the transaction of the freeze, for all of which
the guest waits at most."""

import socket
import statistics
import subprocess
import threading
import time

from pullbacktest import MIB, Daemon, Disk, main, need
from pullbacktest.libvirtd import Domain, Libvirtd
from pullbacktest.qmp import Qmp
from sides import Sides, parse, parser

LOOPS = 4
options = parse(parser(__doc__))
COMMANDS = 100 if options.short else 1000
EVENTS = 5 if options.short else 50


class ByLibvirt(Qmp):
    """What the daemon starts."""

    def __init__(self, t, libvirtd, name):
        self.socket, theirs = socket.socketpair()
        self.process = t.start(*libvirtd.within, "pullback-libvirt", "--uri",
                               libvirtd.uri, "--domain", name, stdin=theirs)
        theirs.close()
        self.buffer, self.events, self.timeout = b"", [], 20
        self.socket.settimeout(self.timeout)
        need("QMP" in self._receive(), "no greeting")


class Loops:
    """Of virsh domstats, each of them the next as soon as one is done."""

    def __init__(self, libvirtd, count):
        self.processes = [subprocess.Popen(
            ["virsh", "--quiet", "-c", libvirtd.uri], stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL, text=True) for _ in range(count)]
        self.threads = [threading.Thread(target=self._feed, args=[process])
                        for process in self.processes]
        for thread in self.threads:
            thread.start()

    @staticmethod
    def _feed(process):
        try:
            while True:
                process.stdin.write("domstats\n" * 100)
                process.stdin.flush()
        except (BrokenPipeError, ValueError):
            pass

    def end(self):
        for process in self.processes:
            process.kill()
            process.wait()
        for thread in self.threads:
            thread.join()


def command_times(qmp):
    found = []
    for _ in range(COMMANDS):
        begin = time.perf_counter()
        qmp("query-status")
        found.append((time.perf_counter() - begin) * 1000)
    found.sort()
    return {"p50-ms": found[len(found) // 2],
            "p99-ms": found[len(found) * 99 // 100], "max-ms": found[-1]}


def event_lag(vm, qmp):
    """The guest stops and goes on at the word of another monitor."""
    found = []
    qmp.events.clear()
    for _ in range(EVENTS):
        for command, event in (("stop", "STOP"), ("cont", "RESUME")):
            vm.qmp(command)
            stamp = qmp.wait_event(event)["timestamp"]
            found.append((time.time() - stamp["seconds"]
                          - stamp["microseconds"] / 1e6) * 1000)
    return statistics.median(found)


def one_begin(daemon, name):
    begin = time.monotonic()
    backup = daemon.begin(name=name)
    seconds = time.monotonic() - begin
    daemon.abort(name)
    return {"begin-s": seconds, "held-ms": backup["frozen-ms"]}


def bench(t):
    libvirtd = Libvirtd(t)
    vm = Domain(libvirtd, [Disk("vda", "raw", 64 * MIB),
                           Disk("vdb", "qcow2", 64 * MIB)])
    daemon = Daemon(t, within=libvirtd.within)
    daemon.cli("domain-add", "lv", "--libvirt", libvirtd.uri,
               "--libvirt-domain", vm.name)
    daemon.add(vm, name="direct")
    ways = {"pullback": (ByLibvirt(t, libvirtd, vm.name), "lv"),
            "direct": (vm.qmp, "direct")}

    def one_round(way):
        qmp, name = ways[way]
        return {**command_times(qmp), "event-ms": event_lag(vm, qmp),
                **one_begin(daemon, name)}

    sides = Sides(t, options, dict.fromkeys(
        ("p50-ms", "p99-ms", "max-ms", "event-ms", "begin-s", "held-ms"),
        False))
    for cell, count in (("alone", 0), ("domstats", LOOPS)):
        if not sides.wants(cell):
            continue
        loops = Loops(libvirtd, count)
        try:
            sides.measure(cell, {way: lambda way=way: one_round(way)
                                 for way in ways})
        finally:
            loops.end()
    sides.finish()


main(bench)
