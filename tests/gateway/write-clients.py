#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: sanitizers
"""Stock clients write through the gateway, to role=restore and to qemu-storage-daemon:
what they read is there, byte by byte, and all of it is noted as written."""

import os

from pullbacktest import MIB, main, need_programs, run, same
from pullbacktest.clients import open_nbd
from pullbacktest.fleece import GRANULE
from pullbacktest.gateway import sparse
from pullbacktest.restoreside import WriteStage, storage_daemon

SIZE = 16 * MIB


def clients(source, zeros, uri):
    return {
        "nbdcopy": ["nbdcopy", "--flush", source, uri],
        "nbdcopy, one connection":
            ["nbdcopy", "--connections=1", "--requests=1", source, uri],
        "nbdcopy, 32 MiB":
            ["nbdcopy", f"--request-size={32 * MIB}", source, uri],
        "qemu-img": ["qemu-img", "convert", "-n", "-f", "raw", "-O", "raw",
                     "-W", "-m", "8", source, uri],
        "nbdcopy of zeros": ["nbdcopy", zeros, uri],
    }


def can_multi_conn(uri):
    return "can_multi_conn: true" in run("nbdinfo", uri).stdout


def disk_of(stage, target, form):
    if form == "raw":
        return target
    copy = stage.path("copy")
    run("qemu-img", "convert", "-f", form, "-O", "raw", "-U", target, copy)
    return copy


def check(t, form, source, zeros):
    stage = WriteStage(t)
    target = stage.path("target")
    run("qemu-img", "create", "-q", "-f", form, target, SIZE)
    server = None
    if form != "raw":
        server = stage.path("storage.sock")
        storage_daemon(t, server, {"vda": target}, form)
    stage.start_writable({"vda": target}, server=server)
    assert stage.written() == set()
    own = f"nbd+unix:///vda?socket={server or stage.view}"
    assert can_multi_conn(stage.uri()) == can_multi_conn(own)
    for name, command in clients(source, zeros,
                                 stage.uri()).items():
        run(*command)
        # What qemu-storage-daemon holds back is in the file when it is flushed.
        handle = open_nbd(stage.uri())
        handle.flush()
        handle.shutdown()
        same(zeros if "zeros" in name else source,
             disk_of(stage, target, form), f"{name} to {form}")
        assert stage.written() == set(range(SIZE // GRANULE)), name


def test(t):
    need_programs("nbdkit", "nbdcopy", "qemu-img", "qemu-storage-daemon")
    source, zeros = t.path("source"), t.path("zeros")
    sparse(source, SIZE, [(MIB + 7, 3 * MIB), (9 * MIB, 70000)], t.random)
    with open(zeros, "wb") as f:
        f.truncate(SIZE)
    for form in "raw", "qcow2":
        check(t, form, source, zeros)
    assert os.path.getsize(source) == SIZE


main(test)
