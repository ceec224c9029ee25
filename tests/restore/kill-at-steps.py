#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: slow
"""A client, the gateway, nbdkit or qemu-storage-daemon is killed while the daemon is at a step of
a restore: what was committed has all that was answered, and what was not is as it was, or marked.
(At each step: tests/faults/run.py 'restore-*'.)"""

from pullbacktest import main
from pullbacktest.restorekill import (ABORT, ADOPT, BEFORE, BEGIN, COMMIT, HALF,
                                      WHOLE, KillBench)

RAW, QCOW2 = ("old", "raw"), ("old", "qcow2")
ROUNDS = (
    (BEGIN, "restore-note-ready", "client", ("new", "raw"), WHOLE),
    (BEGIN, "restore-plugin", "plugin", RAW, WHOLE),
    (COMMIT, "restore-end-copy", "client", QCOW2, WHOLE),
    (COMMIT, "restore-end-copy", "gateway", QCOW2, WHOLE),
    (COMMIT, "restore-end-copy", "plugin", RAW, WHOLE),
    (COMMIT, "restore-stop-gateway", "plugin", ("new", "raw"), WHOLE),
    (COMMIT, "restore-stop-gateway", "storage", ("new", "qcow2"), BEFORE),
    (COMMIT, "restore-stop-gateway", "storage", QCOW2, HALF),
    (ABORT, "undo-restore-note-ready", "gateway", RAW, HALF),
    (ABORT, "undo-restore-gateway", "plugin", RAW, HALF),
    (ADOPT, "restore-adopt-targets", "plugin", RAW, WHOLE),
    (ADOPT, "restore-adopt-plugin", "gateway", QCOW2, WHOLE),
)


def test(t):
    bench = KillBench(t)
    for verb, step, victim, image, want in ROUNDS:
        became = bench.one(verb, step, victim, *image)
        t.check(became == want, f"{victim} at {step}, {image}: {became!r}, "
                f"want {want}")
    bench.daemon.terminate()


main(test)
