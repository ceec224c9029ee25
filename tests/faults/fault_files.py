# SPDX-License-Identifier: LGPL-2.1-or-later
"""Files that nobody syncs are torn: those of the runtime and scratch folders, as
a power cut leaves them (and QEMU and all processes gone), or each by itself
while QEMU runs and all processes of its backup have been killed."""

import errno
import os
import stat

from pullbacktest import (MIB, VM, Daemon, Disk, Failed, kill, run, same,
                          wait_until)
from pullbacktest.clients import fails, open_nbd

from fault_store import broken
from stage import RECONNECT
from table import Row

ROUNDS = 24                     # of power cuts
MORE = ["--scratch-limit", "1G"]        # so that there is a file for it


def empty(data, random):
    return b""


def half(data, random):
    return data[:len(data) // 2]


def zeros(data, random):
    return bytes(len(data))


def garbage(data, random):
    return random.randbytes(max(len(data), 100))


def longer(data, random):
    return data + random.randbytes(5000)


def tail(data, random):
    """What it is can still be told."""
    return data[:16] + random.randbytes(len(data[16:]))


TEARS = {"lost": None, "empty": empty, "half": half, "zeros": zeros,
         "garbage": garbage, "longer": longer, "tail": tail}
# Nobody can see that these are not what was written, so they are lost or short.
SHORT = ("lost", "empty", "half")
SOCKET = ("lost",)
# (name, a part of the path, how they are torn where QEMU runs), the first that
# fits.
KINDS = (
    ("sink-socket", "/sink.sock", SOCKET), ("view-socket", "/view.sock", SOCKET),
    ("memory-socket", "/view.mem", SOCKET),
    ("qemu-socket", "/nbd.sock", SOCKET), ("client-socket", ".sock", SOCKET),
    ("record", ".process", TEARS), ("routes", "/routes.json", TEARS),
    ("activity", "/activity", ("lost", "longer")),
    ("figures", "/scratch-figures", TEARS), ("pace", "pace", TEARS),
    ("ledger", "/.scratch-ledger", TEARS), ("served", "/served/", SHORT),
    ("dirty", ".dirty", SHORT),
    ("present", ".present", TEARS), ("data", ".data", SHORT),
    # Only with --consume, which the power cuts have.
    ("consumed", ".consumed", ()), ("counted", ".counted", ()),
    ("owner", "/.owner", SOCKET),
)


def kind_of(path):
    for kind, part, _ in KINDS:
        if part in path:
            return kind
    raise Failed(f"{path} is none of the known files: say how it is torn")


def files(daemon):
    """[(kind, path)] of all that nobody syncs."""
    found = []
    for top in daemon.runtime, daemon.scratch:
        for folder, _, names in os.walk(top):
            found += [os.path.join(folder, name) for name in sorted(names)]
    return [(kind_of(path), path) for path in found]


def tear(path, how, random):
    made = os.lstat(path)
    if how == "lost":
        os.unlink(path)
    elif how in TEARS and stat.S_ISREG(made.st_mode):
        with open(path, "r+b") as stream:
            data = TEARS[how](stream.read(), random)
            stream.seek(0)
            stream.write(data)
            stream.truncate(len(data))


# --- while QEMU runs

def torn(kind, how):
    def act(stage):
        stage.freeze("--checkpoint", "x", "--incremental", stage.base)
        with stage.reader():
            stage.kill("daemon", "sink", "view", "gateway")
            paths = [path for k, path in files(stage.daemon) if k == kind]
            if not paths:
                raise Failed(f"there is no {kind}")
            for path in paths:
                tear(path, how, stage.t.random)
            stage.daemon.start()
            if kind == "qemu-socket":
                # Not seen before the view cannot be kept running.
                broken(stage)
        return stage.end_backup()
    return act


def torn_beside(kind, how):
    """Only the sink is killed, and the daemon starts it again."""
    def act(stage):
        stage.freeze("--checkpoint", "x", "--incremental", stage.base)
        with stage.reader():
            for path in [path for k, path in files(stage.daemon) if k == kind]:
                tear(path, how, stage.t.random)
            stage.kill("sink")
            broken(stage)
        handle = open_nbd(stage.backup["disk"]["vda"]["uri"])
        fails(errno.EIO, lambda: handle.pread(512, 0))
        handle.shutdown()
        return stage.end_backup()
    return act


# --- a power cut

class World:
    """A QEMU without a guest, and a copy of its disks as of the last backup."""

    def __init__(self, t):
        self.t = t
        self.disks = [Disk("vda", "raw", 4 * MIB), Disk("vdb", "qcow2", 4 * MIB)]
        self.vm = VM(t, self.disks, boot=False)
        self.daemon = Daemon(t, more=MORE)
        self.daemon.add(self.vm)
        self.count = 0
        self.begin()

    def write(self):
        self.count += 1
        for disk in self.disks:
            at = self.t.random.randrange(64) * 65536
            said = self.vm.qmp.hmp(
                f"qemu-io -d /machine/peripheral/{disk.name}/virtio-backend "
                f"\"write -f -P {self.count % 255 + 1} {at} 4096\"")
            if said.strip():
                raise Failed(f"qemu-io: {said}")

    def begin(self):
        """A backup that a client has read and the guest has written to."""
        self.count += 1
        self.write()
        name = f"c{self.count}"
        references = {disk.name: self.vm.reference_copy(
            disk, self.t.path(f"{disk.name}.ref")) for disk in self.disks}
        self.backup = self.daemon.begin("--checkpoint", name, "--consume")
        for name, disk in self.backup["disk"].items():
            run("nbdcopy", disk["uri"], self.t.path("pull"))
            same(references[name], self.t.path("pull"), name)
        self.write()

    def cut(self, tears):
        """The power fails; each file is then torn in one of these ways."""
        self.daemon.kill9()
        # It may have forked one just before.
        wait_until(lambda: not [kill(pid) for pid, _ in
                                self.daemon.children()], 20, "they stay")
        self.vm.kill9()
        torn = []
        for kind, path in files(self.daemon):
            how = self.t.random.choice(tears)
            tear(path, how, self.t.random)
            torn.append(f"{kind} {how}")
        return ", ".join(torn)

    def boot(self, vm_first):
        said = len(self.daemon.log_text())
        if vm_first:
            self.vm.start()
        self.daemon.start()
        wait_until(lambda: not self.daemon.files_left() and
                   not self.daemon.children(), 60, lambda: "left: "
                   f"{self.daemon.files_left()} {self.daemon.children()}")
        if not vm_first:
            self.vm.start()
        lines = self.daemon.log_text()[said:].splitlines()
        wrong = [line for line in lines if len(line) > 500 or
                 not line.startswith("pullback-backupd: ")]
        if wrong or not any("undone" in line for line in lines):
            raise Failed(f"the daemon says {lines}")


def power(t):
    world = World(t)
    kept = ["kept"]
    for number in range(ROUNDS):
        tears = [list(TEARS)[number]] if number < len(TEARS) else \
            list(TEARS) + kept * 2
        torn_so = world.cut(tears)
        try:
            world.boot(number % 2)
            world.begin()
        except Failed as failed:
            t.say(world.daemon.log_text()[-1500:])
            raise Failed(f"power cut {number}: {failed}; torn: {torn_so}")
        if number % 3 == 0:
            world.daemon.commit()
            world.begin()
    world.daemon.commit()
    world.daemon.terminate()
    world.vm.quit()
    return f"undone after {ROUNDS} power cuts"


def rows():
    yield Row("power-files", "power cut, files of runtime and scratch folder torn",
              power, "undone", stage=False)
    for kind in "present", "data":
        yield Row(f"torn-beside/{kind}/lost",
                  f"sink killed, *.{kind} lost, the daemon lives",
                  torn_beside(kind, "lost"), "broken", RECONNECT,
                  {"more": MORE})
    for kind, part, tears in KINDS:
        for how in tears:
            yield Row(f"torn/{kind}/{how}",
                      f"all processes killed, *{part}* {how}", torn(kind, how),
                      ("goes on", "broken", "undone"), RECONNECT,
                      {"more": MORE})
