#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: sanitizers
"""A full backup and a chain of incremental ones of a guest that keeps
writing, a raw and a qcow2 disk: byte for byte what was there at the freeze,
pulled with and without knowledge of dirty bitmaps."""

import shutil

from pullbacktest import (MIB, VM, Daemon, Disk, check_disk_fields, freeze,
                          main, nbdcopy, pull_dirty, same, start_load,
                          stop_load)
from pullbacktest.clients import pull_dirty_export


def test(t):
    # 3 granules and a bit: sizes need not be whole granules.
    vm = VM(t, [Disk("vda", "raw", 64 * MIB + 5 * 512),
                Disk("vdb", "qcow2", 64 * MIB + 3 * 65536)])
    daemon = Daemon(t)
    daemon.add(vm)
    start_load(t, vm, "rate=200")

    backup, references = freeze(t, vm, daemon, "--checkpoint", "c0")
    t.check(backup["checkpoint"] == "c0", f"checkpoint: {backup}")
    sources = {d["name"]: d["source"] for d in backup["disks"]}
    t.check(sources == {"vda": "direct", "vdb": "qcow2"},
            f"sources: {sources}")
    for name, disk in backup["disk"].items():
        check_disk_fields(t, disk, "full")
        nbdcopy(disk["uri"], t.path(f"{name}.one"))
        same(references[name], t.path(f"{name}.one"), f"full of {name}")
        shutil.copyfile(t.path(f"{name}.one"), t.path(f"{name}.two"))
    daemon.commit()

    for number in range(1, 4):
        backup, references = freeze(
            t, vm, daemon, "--checkpoint", f"c{number}", "--incremental",
            f"c{number - 1}")
        for name, disk in backup["disk"].items():
            check_disk_fields(t, disk, "incremental")
            one = pull_dirty(disk, t.path(f"{name}.one"))
            two = pull_dirty_export(disk, t.path(f"{name}.two"))
            t.say(f"c{number} {name}: {one} bytes dirty, frozen for "
                  f"{backup['frozen-ms']} ms")
            t.check(one == two, f"{name}: {one} bytes by the bitmap, "
                    f"{two} by {name}@dirty")
            same(references[name], t.path(f"{name}.one"),
                 f"incremental c{number} of {name} by its dirty bitmap")
            same(references[name], t.path(f"{name}.two"),
                 f"incremental c{number} of {name} by {name}@dirty")
        daemon.commit()

    # A backup may go back further than to the newest checkpoint.
    backup, references = freeze(t, vm, daemon, "--incremental", "c1")
    for name, disk in backup["disk"].items():
        check_disk_fields(t, disk, "incremental")
        pull_dirty(disk, t.path(f"{name}.one"))
        same(references[name], t.path(f"{name}.one"), f"{name} since c1")
    daemon.abort()
    stop_load(t, vm)


main(test)
