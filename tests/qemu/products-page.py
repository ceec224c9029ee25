#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The programs of docs/products.md: a domain in full, then only what changed; what they
have is the disks of that moment, also after one that failed half way."""

import os

from pullbacktest import (MIB, VM, Daemon, Disk, main, nbdcopy, need_programs,
                          run)
from pullbacktest.pages import write_program

SIZE = 16 * MIB
PATTERNS = iter(range(1, 256))


def write(vm, at):
    """A little at AT, and zeros over what was written before."""
    for disk in vm.disks:
        device = f"/machine/peripheral/{disk}/virtio-backend"
        for words in (f"write -P {next(PATTERNS)} {at} 100000",
                      f"write -z {at - 1000000} 65536"):
            said = vm.qmp.hmp(f'qemu-io -d {device} "{words}"')
            assert not said.strip(), said


def disks_now(t, daemon):
    backup = daemon.begin()
    copies = {}
    for name, disk in backup["disk"].items():
        copies[name] = t.path(f"{name}.now")
        nbdcopy(disk["uri"], copies[name])
    daemon.abort()
    return copies


def newest(folder):
    return os.path.join(folder, max(name for name in os.listdir(folder)
                                    if name.startswith("b") and "." not in name))


def test(t):
    need_programs("jq")
    vm = VM(t, [Disk("vda", "raw", SIZE), Disk("vdb", "qcow2", SIZE)],
            boot=False)
    daemon = Daemon(t)
    daemon.add(vm)
    env = {**os.environ, "PULLBACK_SOCKET": daemon.socket}
    # One that fails after the first disk's data.
    stumble = (("os.rename(f", "raise SystemExit(7)  # "), ("mv \"", "exit 7 #"))
    for kind, (old, new) in zip(("python", "sh"), stumble):
        folder = t.folder_below(t.path())
        program = write_program(t, "products.md", kind)
        for turn in range(3):
            write(vm, 4 * MIB + turn * MIB)
            if turn == 2:
                with open(program, encoding="utf-8") as stream:
                    text = stream.read()
                assert text.count(old) == 1, (kind, old)
                with open(program + ".bad", "w", encoding="utf-8") as stream:
                    stream.write(text.replace(old, new))
                os.chmod(program + ".bad", 0o700)
                done = run(program + ".bad", "vm1", folder, env=env, check=False)
                t.check(done.returncode == 7, f"{kind}: {done}")
                t.check(daemon.cli("backup-list") == {"backups": []},
                        f"{kind}: the backup stays")
                write(vm, 8 * MIB)
            run(program, "vm1", folder, env=env)
            past = daemon.cli("backup-list", "vm1", "--history")["history"][0]
            modes = {disk["mode"] for disk in past["disks"]}
            t.check(modes == {"incremental" if turn else "full"},
                    f"{kind}, backup {turn}: {modes}")
            for name, path in disks_now(t, daemon).items():
                form, end = (("raw", "img") if kind == "python" else
                             ("qcow2", "qcow2"))
                done = run("qemu-img", "compare", "-f", form, "-F", "raw",
                           f"{newest(folder)}/{name}.{end}", path, check=False)
                t.check(done.returncode == 0,
                        f"{kind}, backup {turn}, {name}: {done.stdout}")


main(test)
