#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: slow
"""Two qcow2 disks are written to, zeroed, discarded and made larger; checkpoints are made, and
some deleted in between; QEMU is started again.  A restore since any of them tells of each block
that differs from the disk of then, and of none that nobody touched; written there alone, the
disks are byte for byte those of then, and the chain goes on from there."""

from pullbacktest import MIB, VM, Daemon, Disk, main, nbdcopy, need, run, same
from pullbacktest.clients import data_map, dirty_map, differences, open_nbd
from pullbacktest.restore import restore_begin

GRANULE = 65536
ROUNDS = 5


def granules(ranges):
    return {offset for start, length in ranges for offset in
            range(start - start % GRANULE, start + length, GRANULE)}


class History:
    def __init__(self, t):
        self.t, self.random = t, t.random
        disks = [Disk(name, "qcow2", self.random.choice((9, 12)) * MIB,
                      options=self.random.choice((
                          [], ["cluster_size=512"], ["cluster_size=2M"],
                          ["extended_l2=on", "cluster_size=128k"])))
                 for name in ("vda", "vdb")]
        self.vm = VM(t, disks, boot=False)
        self.daemon = Daemon(t)
        self.daemon.add(self.vm)
        self.size = {disk.name: disk.size for disk in disks}
        self.names = []                 # of checkpoints that there are
        # {checkpoint: {disk: granules touched since}}, also of those that went
        self.touched = {}
        self.made = 0

    def copy(self, disk, name):
        return self.t.path(f"{disk}.{name}")

    def content(self, disk, path):
        run("qemu-img", "convert", "-U", "-f", "qcow2", "-O", "raw",
            self.vm.disks[disk].path, path)
        return path

    def io(self, disk, command):
        said = self.vm.qmp.hmp(f"qemu-io -d /machine/peripheral/{disk}/"
                               f"virtio-backend \"{command}\"")
        need(not said.strip(), f"{command}: {said}")

    def touch(self, disk, start, length):
        for disks in self.touched.values():
            disks[disk] |= granules([(start, length)])

    def write(self):
        disk = self.random.choice(("vda", "vdb"))
        start = self.random.randrange(self.size[disk] // 512) * 512
        most = self.size[disk] - start
        length = min(most, self.random.choice((512, 4096, GRANULE, 300 * 512,
                                               MIB, 3 * MIB)))
        pattern = self.random.randrange(1, 256)
        self.io(disk, self.random.choice((
            f"write -q -P {pattern} {start} {length}",
            f"write -q -z {start} {length}",
            f"write -q -z -u {start} {length}",
            f"discard -q {start} {length}")))
        self.touch(disk, start, length)

    def grow(self):
        disk = self.random.choice(("vda", "vdb"))
        old, size = self.size[disk], self.size[disk] + 5 * 512 + GRANULE
        self.vm.qmp("block_resize", node_name=self.vm.disks[disk].node,
                    size=size)
        self.size[disk] = size
        self.touch(disk, old, size - old)

    def checkpoint(self):
        """By a backup or without one; what the disks are is kept."""
        self.made += 1
        name = f"c{self.made}"
        if self.random.random() < 0.5:
            self.daemon.cli("checkpoint-create", "vm1", name)
        else:
            self.daemon.begin("--checkpoint", name)
            self.daemon.commit()
        # That QEMU's tables are in the image (reference_copy needs it).
        self.vm.pause()
        for disk in self.size:
            self.content(disk, self.copy(disk, name))
        self.names.append(name)
        self.touched[name] = {disk: set() for disk in self.size}

    def delete(self):
        if len(self.names) > 1:
            name = self.random.choice(self.names)
            self.daemon.cli("checkpoint-delete", "vm1", name)
            self.names.remove(name)
            del self.touched[name]

    def again(self):
        self.vm.quit()
        self.vm.start()

    def live(self):
        self.checkpoint()
        for _ in range(self.random.randint(10, 30)):
            # Much more often written to than anything else.
            self.random.choice([self.write] * 12 + [
                self.checkpoint, self.checkpoint, self.delete, self.grow,
                self.again])()

    def one_disk(self, disk, name, uri, info):
        """Only what has changed since NAME is written."""
        told = dirty_map(uri, info["context"])
        want = self.copy(disk, name)
        have = self.t.path("now")
        nbdcopy(uri, have)
        with open(want, "ab") as stream:
            stream.truncate(self.size[disk])
        missed = set(differences(want, have)) - granules(told)
        self.t.check(not missed, f"{disk} since {name}: not told of "
                     f"{sorted(missed)[:8]}")
        more = granules(told) - self.touched[name][disk]
        self.t.check(not more, f"{disk} since {name}: nobody touched "
                     f"{sorted(more)[:8]}")
        self.t.check(granules(data_map(info["uri-changed"])) == granules(told),
                     f"{disk}: the export tells otherwise")
        self.t.check(info["changed"] == sum(n for _, n in told),
                     f"{info['changed']} bytes, the map has {told}")
        handle = open_nbd(uri)
        with open(want, "rb") as stream:
            for start, length in told:
                stream.seek(start)
                data = stream.read(length)
                if any(data) or self.random.random() < 0.5:
                    handle.pwrite(data, start)
                else:
                    handle.zero(length, start)
        handle.shutdown()

    def restore(self):
        name = self.random.choice(self.names)
        self.vm.quit()
        words = [word for disk in self.size for word in
                 ("--image", f"{disk}={self.vm.disks[disk].path}")]
        info = restore_begin(self.daemon, "vm1", *words, "--format", "qcow2",
                             "--since", name)
        if self.random.random() < 0.5:
            self.daemon.kill9()
            self.daemon.start()
            info = self.daemon.cli("restore-info", "vm1")
        for disk in info["disks"]:
            self.one_disk(disk["name"], name, disk["uri"], disk)
        info = self.daemon.cli("restore-info", "vm1")
        for disk in info["disks"]:
            self.t.check(disk["written"] <= disk["changed"], f"{disk}")
        self.daemon.cli("restore-commit", "vm1")
        for disk in self.size:
            run("qemu-img", "check", "-q", self.vm.disks[disk].path)
            same(self.copy(disk, name), self.content(disk, self.t.path("now")),
                 f"{disk}, restored to {name}")
            # A restore is a write like any other.
            written = [d for d in info["disks"] if d["name"] == disk][0]
            changed = set(self.touched[name][disk])
            self.t.check(written["changed"] <= len(changed) * GRANULE,
                         f"{written}")
            for disks in self.touched.values():
                disks[disk] |= changed
        self.vm.start()
        return name, sum(d["changed"] for d in info["disks"])


def test(t):
    history = History(t)
    for _ in range(ROUNDS):
        history.live()
        name, changed = history.restore()
        t.say(f"restored to {name} of {history.names}: {changed >> 10} KiB of "
              f"{sum(history.size.values()) >> 10}")
    history.daemon.terminate()


main(test)
