#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two images of one size exchange their names while QEMU has both open: nothing is read from
the wrong one. They are told from each other by the storage that they take, as QEMU tells
it of the node; those of qcow2 that take the same, by what QEMU reads in places."""

import os

from pullbacktest import MIB, VM, Daemon, Disk, main, nbdcopy, run

SIZE = 8 * MIB


def make(path, form, pattern, length):
    run("qemu-img", "create", "-q", "-f", form, path, str(SIZE))
    run("qemu-io", "-f", form, "-c", f"write -P {pattern} 0 {length}", path)


def case(t, daemon, form, lengths):
    """Returns what the daemon reads each disk by."""
    name = f"{form}{lengths[0] == lengths[1]}"
    paths = [t.path(f"{name}-{letter}") for letter in "ab"]
    for path, length, pattern in zip(paths, lengths, (1, 2)):
        make(path, form, pattern, length)
    vm = VM(t, [Disk(disk, form, SIZE, path=path)
                for disk, path in zip(("vda", "vdb"), paths)], boot=False)
    daemon.add(vm, name=name)
    os.rename(paths[0], paths[0] + ".x")
    os.rename(paths[1], paths[0])
    os.rename(paths[0] + ".x", paths[1])
    backup = daemon.begin(name=name)
    sources = {disk["source"] for disk in daemon.info(name)["disks"]}
    for disk, pattern, length in zip(("vda", "vdb"), (1, 2), lengths):
        copy = t.path("copy")
        nbdcopy(backup["disk"][disk]["uri"], copy)
        with open(copy, "rb") as stream:
            t.check(stream.read(length) == bytes([pattern]) * length,
                    f"{name}, {disk}: bytes of the other one")
        os.unlink(copy)
    daemon.commit(name)
    daemon.cli("domain-remove", name, "--checkpoints-metadata")
    vm.end()
    return sources


def test(t):
    daemon = Daemon(t)
    for form in ("raw", "qcow2"):
        have = case(t, daemon, form, (4 * MIB, 5 * MIB))
        t.check(have == {"relay"}, f"{form}: {have}")
    have = case(t, daemon, "qcow2", (4 * MIB, 4 * MIB))
    t.check(have == {"qcow2"}, f"they do not take the same: {have}")
    t.check("is not what its image has" in daemon.log_text(),
            "the view does not say that it reads another image")
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
