# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who has the processors: of a VM's guest, the rest of its QEMU, the processes
of its backup, the client, and others: where these have much, something else ran
on the machine, and the figures say little."""

import os
import resource
import time

TICK = os.sysconf("SC_CLK_TCK")


def used(path):
    """Seconds of the process or thread of this folder of /proc; 0: gone."""
    try:
        with open(os.path.join(path, "stat")) as stream:
            words = stream.read().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(words[11]) + int(words[12])) / TICK


def machine():
    """Seconds that the processors were busy, all together."""
    with open("/proc/stat") as stream:
        words = [int(word) for word in stream.readline().split()[1:9]]
    return (sum(words) - words[3] - words[4]) / TICK


class ProcessorTime:
    def __init__(self, vm, processes=None):
        """PROCESSES: {role: pid}, 0 where there is none."""
        thread = vm.qmp("query-cpus-fast")[0]["thread-id"]
        self.guest = f"/proc/{vm.pid}/task/{thread}"
        self.qemu = f"/proc/{vm.pid}"
        self.roles = {role: f"/proc/{pid}" for role, pid in
                      (processes or {}).items() if pid}

    def _now(self):
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        now = {"guest": used(self.guest),
               "qemu": used(self.qemu) - used(self.guest),
               "client": children.ru_utime + children.ru_stime}
        now.update((role, used(path)) for role, path in self.roles.items())
        now["others"] = machine()
        return now

    def start(self):
        self.begin, self.before = time.monotonic(), self._now()

    def seconds(self, client=None):
        """{who: seconds since start ()}; CLIENT: a pid that still runs, ended ones
        count anyway."""
        now = self._now()
        if client:
            now["client"] += used(f"/proc/{client}")
        took = {who: now[who] - self.before[who] for who in now}
        took["others"] -= sum(took.values()) - took["others"]
        return took

    def shares(self, client=None):
        """{who: processors since start ()}"""
        took = time.monotonic() - self.begin
        return {who: seconds / took
                for who, seconds in self.seconds(client).items()}

    def per_gib(self, size):
        """{who: seconds per GiB of SIZE bytes}, of those that work for a pull."""
        return {who: seconds * (1 << 30) / size
                for who, seconds in self.seconds().items()
                if who not in ("guest", "others")}
