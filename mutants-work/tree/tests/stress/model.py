#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: check --operations 500
# mark: stress --operations 5000
"""Random operations on checkpoints and backups of a real QEMU against a model
that only knows what changed when: no delta may ever lack a change, none may
have too much where nothing happened to the chain, no full may be needless,
and every incremental restore is right byte by byte.

    model.py [--operations N]

What happens to the chain: guest writes, zero writes and discards, checkpoints
made and deleted in every mode, backups that are committed, aborted, expire or
are left by their client, a daemon that ends or is killed at any moment, a VM
that ends or is killed, disks that grow, shrink, are unplugged or replaced,
overlays, and people who remove, disable or enable our bitmaps."""

import argparse

from pullbacktest import Failed, main

from model_operations import IN_BACKUP, IDLE, Operations
from model_truth import Disk, Truth
from model_verify import Judge, no_lie_possible
from model_world import ModelDisk, World

MIB = 1 << 20

parser = argparse.ArgumentParser()
parser.add_argument("--operations", type=int, default=500)
options = parser.parse_args()


def choose(t, table):
    names, weights = zip(*table.items())
    return t.random.choices(names, weights)[0]


def tell_failure(t, log, truth):
    t.say(f"---- failed at operation {len(log)}; SEED={t.seed}; the last ones:")
    for line in log[-40:]:
        t.say(line)
    t.say("---- the model")
    t.say(truth.show())


def test(t):
    t.random
    disks = [ModelDisk("vda", "raw", 6 * MIB + 5 * 512),
             ModelDisk("vdb", "qcow2", 6 * MIB + 3 * 65536),
             ModelDisk("vdc", "qcow2", 3 * MIB, scsi=True)]
    truth = Truth([Disk(disk.name, disk.size) for disk in disks])
    world = World(t, disks)
    judge = Judge(world, truth)
    log, counts = [], {}
    operations = Operations(t, world, truth, judge, log)
    try:
        while len(log) < options.operations:
            name = choose(t, IDLE if truth.backup is None else IN_BACKUP)
            log.append(f"{len(log) + 1} {name}")
            getattr(operations, name)()
            judge.invariants()
            counts[name] = counts.get(name, 0) + 1
        if truth.backup is not None:
            operations.commit()
        judge.invariants()
        world.assert_no_io_errors()
        no_lie_possible(judge)
    except BaseException:
        tell_failure(t, log, truth)
        raise
    t.say(" ".join(f"{name}:{n}" for name, n in sorted(counts.items())))
    t.say(", ".join(f"{name} {n}" for name, n in judge.counts.items()))


main(test)
