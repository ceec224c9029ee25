#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a user gets wrong is refused with one sentence that names it, and nothing is left."""

import os

from pullbacktest import Daemon, MIB, main, run
from pullbacktest.restore import restore_begin, restores, write_random


def test(t):
    inside, outside = t.path("in"), t.path("out")
    os.mkdir(inside)
    os.mkdir(outside)
    daemon = Daemon(t, more=["--restore-folder", inside])
    raw = write_random(t, os.path.join(inside, "a.raw"), MIB)
    other = write_random(t, os.path.join(outside, "b.raw"), MIB)
    qcow2 = os.path.join(inside, "c.qcow2")
    run("qemu-img", "create", "-q", "-f", "qcow2", qcow2, "1M")
    os.symlink(other, os.path.join(inside, "link.raw"))
    new = os.path.join(inside, "new")
    before = sorted(os.listdir(inside))

    def refuses(*words, saying):
        daemon.refuses("restore-begin", *words, saying=saying)
        t.check(sorted(os.listdir(inside)) == before,
                f"{words}: {os.listdir(inside)}")
    refuses("--image", raw, saying=("--format", "--create"))
    refuses("--image", raw, "--format", "raw", "--create", "raw", "--size",
            "1M", saying=("--format", "--create"))
    refuses("--image", new, "--create", "vmdk", "--size", "1M",
            saying=("vmdk", "qcow2"))
    refuses("--image", new, "--create", "raw", saying=("--size",))
    refuses("--image", raw, "--create", "raw", "--size", "1M", saying=(raw,))
    refuses("--image", new, "--format", "raw", saying=(new,))
    refuses("--image", raw, "--format", "qcow2", saying=(raw, "qcow2"))
    refuses("--image", qcow2, "--format", "raw", saying=(qcow2, "qcow2"))
    refuses("--image", raw, "--format", "raw", "--size", "2M", saying=(raw,))
    refuses("--image", raw, "--format", "raw", "--option", "size=1M",
            saying=("--option",))
    refuses("--image", inside, "--format", "raw", saying=(inside, "folder"))
    refuses("--image", other, "--format", "raw", saying=(other,))
    refuses("--image", os.path.join(inside, "link.raw"), "--format", "raw",
            saying=("--restore-folder",))
    refuses("--image", f"vda={raw}", "--image", f"vda={qcow2}", "--format",
            "raw", saying=("vda", raw, qcow2))
    refuses("--image", raw, "--image", raw, "--format", "raw", saying=(raw,))
    refuses("--image", os.path.join(inside, ".x"), "--create", "raw", "--size",
            "1M", saying=(".x", "name"))
    refuses("../x", "--image", raw, "--format", "raw", saying=("../x",))
    refuses(saying=("domain", "--image"))
    refuses("nobody", saying=("nobody",))
    refuses("--image", raw, "--format", "raw", "--disk", "vda",
            saying=("--disk", "--image"))
    for verb in "restore-info", "restore-commit", "restore-abort":
        daemon.refuses(verb, "nobody", saying=("nobody",))
    restore_begin(daemon, "--image", raw, "--format", "raw")
    daemon.refuses("restore-begin", "a", "--image", qcow2, "--format", "qcow2",
                   saying=("a", "commit"))
    daemon.refuses("restore-begin", "b", "--image", raw, "--format", "raw",
                   saying=(raw,))
    daemon.cli("restore-abort", "a")
    t.check(restores(daemon) == {}, f"{restores(daemon)}")
    daemon.terminate()


main(test)
