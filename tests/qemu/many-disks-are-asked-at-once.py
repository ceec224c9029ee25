#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""However many disks a VM has, and images a disk, QEMU is asked as often, and as many
programs are run, by a begin, a commit and an abort: only what QEMU has to do for each
disk grows."""

import collections
import os

from pullbacktest import MIB, VM, Daemon, Disk, main, run

SIZE = 8 * MIB
FEW, MANY = 2, 6
HELPERS = "rm", "sync"

# What QEMU has to do for each disk, and how often.
BEGIN = {"blockdev-add": 2, "block-export-add": 2, "block-export-del": 1,
         "blockdev-del": 1, "block-dirty-bitmap-disable": 1,
         "block-dirty-bitmap-remove": 1}
COMMIT = {"job-cancel": 1, "job-dismiss": 1, "blockdev-del": 1,
          "block-export-del": 1}
ABORT = {**COMMIT, "block-dirty-bitmap-enable": 1,
         "block-dirty-bitmap-merge": 1, "block-dirty-bitmap-remove": 1}
# How often more QEMU may be asked whether it has done it.
PATIENCE = {"query-jobs": 4, "query-block-exports": 4}
# How often a begin asks how the nodes hang together: for the disks' names, for the
# checkpoints, for the plan, and twice after the freeze.
GRAPH, GRAPHS = "x-debug-query-block-graph", 5
# Asked every now and then, whatever happens.
TICKS = "query-migrate", "query-blockstats"


def counting(t):
    """A PATH on which HELPERS leave a line each in the file, and that."""
    folder, log = t.path("bin"), t.path("helpers")
    os.mkdir(folder)
    with open(log, "w"):
        pass
    for name in HELPERS:
        path = os.path.join(folder, name)
        with open(path, "w") as script:
            script.write(f'#!/bin/sh\necho {name} >>{log}\n'
                         f'exec /bin/{name} "$@"\n')
        os.chmod(path, 0o755)
    return f"{folder}:{os.environ['PATH']}", log


def disk(folder, name, form, depth):
    """With DEPTH images below."""
    below = None
    for level in range(depth + 1):
        path = os.path.join(folder, f"{name}-{level}.{form}")
        run("qemu-img", "create", "-q", "-f", form,
            *(["-F", form, "-b", below] if below else []), path, str(SIZE))
        below = path
    return Disk(name, form, SIZE, path=path)


class Counter:
    """Of what QEMU was told, and what was run."""

    def __init__(self, vm, log):
        self.files = open(vm.log_path, errors="replace"), open(log)
        self.new()

    def new(self):
        """Since the last time."""
        found = collections.Counter(line.strip() for line in self.files[1])
        for line in self.files[0]:
            if "handle_qmp_command" in line and '"execute": "' in line:
                found[line.split('"execute": "')[1].split('"')[0]] += 1
        return found

    def close(self):
        for file in self.files:
            file.close()


def one_machine(t, daemon, log, name, count, form, depth):
    """{what: Counter of what it took}"""
    # Where nothing has to be written out twice.
    folder = t.folder_below("/dev/shm")
    vm = VM(t, [disk(folder, f"{name}{number}", form, depth)
                for number in range(count)], boot=False,
            more=["-trace", "handle_qmp_command"])
    daemon.add(vm, name=name)
    daemon.begin("--checkpoint", "mon", name=name)
    daemon.commit(name)
    counter, found = Counter(vm, log), {}
    for new, what, end in (("tue", "commit", daemon.commit),
                           ("wed", "abort", daemon.abort)):
        daemon.begin("--incremental", "mon", "--checkpoint", new, name=name)
        found["begin"] = counter.new()
        sources = [one["source"] for one in daemon.info(name)["disks"]]
        t.check(sources == ["direct" if form == "raw" else "qcow2"] * count,
                f"{name}: read by {sources}")
        counter.new()
        end(name)
        found[what] = counter.new()
    counter.close()
    daemon.cli("domain-remove", name, "--checkpoints-metadata")
    vm.end()
    return found


def test(t):
    path, log = counting(t)
    daemon = Daemon(t, env={"PATH": path})
    allowed = {"begin": BEGIN, "commit": COMMIT, "abort": ABORT}
    for form, depths in (("raw", (0, 0)), ("qcow2", (0, 3))):
        few = one_machine(t, daemon, log, f"{form}-few", FEW, form, depths[0])
        many = one_machine(t, daemon, log, f"{form}-many", MANY, form,
                           depths[1])
        for what, count in few.items():
            t.check(count.total() > 5 and count["rm"] > 0,
                    f"{form}, {what}: not all is seen: {dict(count)}")
            t.check(what != "begin" or 0 < count[GRAPH] <= GRAPHS,
                    f"{form}: {GRAPH}: {count[GRAPH]}")
            for word, much in many[what].items():
                if word in TICKS:
                    continue
                limit = count[word] + PATIENCE.get(word, 0) + \
                    (MANY - FEW) * allowed[what].get(word, 0)
                t.check(much <= limit, f"{form}, {what}: {word}: {count[word]} "
                        f"for {FEW} disks, but {much} for {MANY}")


main(test)
