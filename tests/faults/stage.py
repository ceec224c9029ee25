# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where the faults happen: a VM whose guest writes and looks at what it has
written, a daemon, and a copy of the disks that is brought up to date after each
fault, by an incremental backup that must have every byte."""

import contextlib
import json
import os
import signal
import subprocess

from pullbacktest import (MIB, VM, Context, Daemon, Disk, Failed, alive, freeze,
                          kill, nbdcopy, pull_dirty, run, same, wait_until)
from pullbacktest.libvirtd import Domain, Libvirtd
from pullbacktest.processes import command_line, descendants

# What a guest under emulation waits for on a machine that is busy otherwise.
QUIET = 2.0
# QEMU tries to connect to a sink again after 1, 2, 4 ... 16 s.
RECONNECT = 20.0
SETTLE = 60
ROLES = {"sink": "role=sink", "view": "role=view",
         "gateway": "pullback-gateway", "quiesce": "pullback-quiesce",
         "helper": "--turns", "watch": "--watch"}
# Has a file system where the guest has an agent.
MOUNTED = "vdf"


class Stage:
    """SCRATCH: a function of the context that makes the folder of the stores.
    MORE: options of the daemon.  MONITOR: one of the context and the VM that
    makes what the daemon talks to instead, such as a QmpProxy.  AGENT: the
    guest has one, and a file system to freeze.  LIBVIRT: the VM is libvirt's."""

    def __init__(self, scratch=None, more=(), size=64 * MIB, rate=100,
                 forms=(("vda", "raw"), ("vdb", "qcow2")), env=None,
                 monitor=None, vm_more=(), agent=False, libvirt=False):
        self.t = t = Context("faults")
        self.rate = rate
        self.store = scratch(t) if scratch else None
        self.pause = t.path("pause")
        disks = [self.full_disk(*words, size) for words in forms]
        self.written = [disk.name for disk in disks]
        disks += [self.file_system(size)] if agent else []
        self.libvirtd = Libvirtd(t) if libvirt else None
        self.vm = Domain(self.libvirtd, disks, agent=agent) if libvirt else \
            VM(t, disks, more=vm_more, reboots=True, agent=agent)
        self.daemon = Daemon(
            t, scratch=self.store.folder if self.store else None, more=more,
            env={"PULLBACK_PAUSE": self.pause, **(env or {})},
            within=self.libvirtd.within if libvirt else ())
        self.monitor = monitor(t, self.vm) if monitor else None
        if agent:
            self.vm.guest(f"mount {MOUNTED}")
        self.daemon.cli("domain-add", "vm1", *self.where())
        self.names = 0
        self.present = {}
        self.take_base()
        self.start_guest()

    def where(self):
        """The domain, as domain-add is told."""
        if self.libvirtd:
            return ["--libvirt", self.libvirtd.uri]
        agent = ["--agent", self.vm.agent_path] if self.vm.agent else []
        return ["--qmp", self.monitor.path if self.monitor
                else self.vm.qmp_path, *agent]

    def full_disk(self, name, form, size):
        """Old data that is zeros would cost a store nothing."""
        raw = self.t.path("random")
        disk = Disk(name, form, size, path=self.t.path(f"{name}.{form}"))
        with open(raw, "wb") as stream:
            for _ in range(size // MIB):
                stream.write(self.t.random.randbytes(MIB))
        run("qemu-img", "convert", "-f", "raw", "-O", form, raw, disk.path)
        os.unlink(raw)
        return disk

    def file_system(self, size):
        path = self.t.path(f"{MOUNTED}.raw")
        with open(path, "wb") as stream:
            stream.truncate(size)
        run("mke2fs", "-q", "-F", "-t", "ext4", path)
        return Disk(MOUNTED, "raw", size, path=path)

    def close(self):
        """What the stage itself left behind or could not end."""
        self.t.undo_all()
        self.t.end_leftovers()
        self.t.remove_folders()
        return self.t.problems

    # --- the guest

    def start_guest(self, anew=True):
        """ANEW: QEMU was started, too."""
        for name in self.written:
            seed = self.t.random.randrange(1 << 30)
            self.vm.guest(f"verify seed={seed} disk={name} rate={self.rate}")
        if anew:
            self.before = self.vm.state()
        self.errors = 0

    def forget_stalls(self):
        self.vm.guest("report")

    def report(self):
        """(errors and wrong blocks, longest stall in seconds) since the last
        one."""
        said = self.vm.guest("report")
        errors = said["errors"] + said["wrong"]
        new, self.errors = errors - self.errors, errors
        return new, said["stall-ms"] / 1000

    def stop_guest(self):
        """Everything that it ever wrote is read again: how much is wrong."""
        self.vm.guest("stop", deadline=300)
        return self.report()[0]

    # --- backups

    def copy(self, disk):
        return self.t.path(f"{disk}.copy")

    def new_name(self):
        self.names += 1
        return f"base{self.names}"

    def take_base(self):
        self.base = self.new_name()
        disks = self.daemon.begin("--checkpoint", self.base)["disk"]
        for name, disk in disks.items():
            nbdcopy(disk["uri"], self.copy(name))
        self.daemon.commit()

    def freeze(self, *words):
        """A backup that runs, and what it must show."""
        self.backup, self.references = freeze(self.t, self.vm, self.daemon,
                                              *words)
        return self.backup

    @contextlib.contextmanager
    def reader(self):
        """A client reads over and over, whatever it gets."""
        disk = next(iter(self.backup["disk"].values()))
        self.reading = self.t.start(
            "sh", "-c", 'while :; do nbdcopy "$0" null: 2>&1 || sleep 0.1; done',
            disk["uri"], stdout=subprocess.DEVNULL, start_new_session=True)
        try:
            yield
        finally:
            os.killpg(self.reading.pid, signal.SIGKILL)
            self.reading.wait()

    def pull(self):
        """All disks are pulled, and are what was frozen."""
        for name, disk in self.backup["disk"].items():
            path = self.t.path("pull")
            nbdcopy(disk["uri"], path)
            same(self.references[name], path, f"the pull of {name}")
            os.unlink(path)

    def next_backup(self, full=False):
        """The next incremental backup has all bytes; its checkpoint is then
        the only one.  FULL: it may be full."""
        name = self.new_name()
        self.freeze("--checkpoint", name, "--incremental", self.base)
        for disk in self.backup["disk"].values():
            copy = self.copy(disk["name"])
            if disk["mode"] == "incremental":
                pull_dirty(disk, copy)
            elif full:
                nbdcopy(disk["uri"], copy)
            else:
                raise Failed(f"{disk['name']} is full: {disk['reason']}")
            same(self.references[disk["name"]], copy,
                 f"the next backup of {disk['name']}")
        self.daemon.commit()
        for old in self.checkpoints()[:-1]:
            self.daemon.cli("checkpoint-delete", "vm1", old)
        self.base = name

    def checkpoints(self):
        return [c["name"] for c in
                self.daemon.cli("checkpoint-list", "vm1")["checkpoints"]
                if c["state"] == "committed"]

    def state(self):
        """ready, broken ..., or "" where there is no backup."""
        done = self.daemon.cli("backup-info", "vm1", check=False)
        if done.returncode != 0:
            return ""
        reply = json.loads(done.stdout)
        return reply.get("return", reply)["state"]

    def settled(self):
        """Waits until the backup runs, is broken or has gone: its state."""
        def look():
            state = self.state()
            if state in ("ready", "broken"):
                return state
            return "gone" if not state and not self.left_now() else None
        return wait_until(look, SETTLE, lambda: f"not settled: state "
                          f"{self.state()!r}, left {self.left_now()}")

    # --- processes

    def pids(self, role):
        """Of the daemon, or of a sink, view or gateway, also without a
        daemon that could be asked."""
        if role == "daemon":
            return [self.daemon.pid]
        return [pid for pid in descendants(os.getpid())
                if ROLES[role] in command_line(pid)]

    def kill(self, *roles):
        pids = [pid for role in roles for pid in self.pids(role)]
        if not pids:
            raise Failed(f"there is no {' or '.join(roles)} to kill")
        for pid in pids:
            kill(pid)
        if "daemon" in roles:
            self.daemon.process.wait(timeout=20)
        wait_until(lambda: not any(map(alive, pids)), 20, "they do not die")

    def end_backup(self):
        """Pulls and commits the backup that runs, or aborts it if it is
        broken: the outcome."""
        state = self.settled()
        if state == "ready":
            self.pull()
            self.daemon.commit()
            return "goes on"
        if state == "broken":
            reason = self.daemon.info()["reason"]
            self.daemon.abort()
            return f"broken: {reason}"
        said = self.daemon.cli("backup-info", "vm1", check=False).stderr
        return "undone: " + " ".join(said.split())

    # --- left-overs

    def left_now(self):
        return [*self.daemon.files_left(),
                *(words for _, words in self.daemon.children())]

    def left(self):
        """What is left of backups that have all ended."""
        try:
            wait_until(lambda: not self.left_now(), SETTLE)
        except Failed:
            pass
        left = self.left_now()
        listed = self.daemon.cli("checkpoint-list", "vm1")["checkpoints"]
        left += [f"checkpoint {c['name']} is {c['state']}" for c in listed
                 if c["state"] != "committed"]
        names = [c["name"] for c in listed]
        try:
            self.vm.assert_clean(self.before, {
                disk.node: [(name, name == names[-1]) for name in names]
                for disk in self.vm.disks.values()})
        except Failed as failed:
            left.append(str(failed))
        return left
