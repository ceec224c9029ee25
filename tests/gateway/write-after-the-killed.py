#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: slow
"""A gateway is killed while qemu-storage-daemon has still to write what a client of it has asked
for.  A client of the next gateway is let in when that is written: it never goes over what that
client is answered."""

import time

from pullbacktest import MIB, main, need_programs, wait_until
from pullbacktest.clients import open_nbd
from pullbacktest.nbdserver import NbdServer
from pullbacktest.restoreside import WriteStage

SIZE = 8 * MIB
DELAY = 3                       # seconds, of zeroes
WAITED = 0.5                    # more than to be let in takes


def slow_storage(t, stage, path, target):
    """Zeroes take their time, and what is written later overtakes them."""
    below = stage.path("below.sock")
    NbdServer(t, ["nbdkit", "--foreground", "-U", below, "--filter=delay",
                  "file", target, f"delay-zero={DELAY}"], below)
    NbdServer(t, [
        "qemu-storage-daemon", "--blockdev", "driver=nbd,node-name=below,"
        f"server.type=unix,server.path={below}", "--blockdev",
        "driver=raw,node-name=disk,file=below",
        "--nbd-server", f"addr.type=unix,addr.path={path}",
        "--export", "type=nbd,id=e,node-name=disk,name=vda,writable=on"], path)


def restart(stage):
    stage.gateway.kill()
    stage.gateway.wait()
    stage.gateway = None
    stage.start_gateway("--written", stage.folder)


def asked_and_killed(stage):
    """It has come to the server: what is written is noted before."""
    import nbd
    early = open_nbd(stage.uri())
    early.aio_zero(MIB, 0, flags=nbd.CMD_FLAG_NO_HOLE)
    early.aio_zero(MIB, 4 * MIB, flags=nbd.CMD_FLAG_NO_HOLE)
    wait_until(lambda: early.poll(0) >= 0 and
               {0, 64} <= stage.written(), 30, "it is not asked for")
    restart(stage)


def test(t):
    need_programs("qemu-storage-daemon", "nbdkit")
    stage = WriteStage(t)
    target, server = stage.path("vda"), stage.path("slow.sock")
    with open(target, "wb") as f:
        f.truncate(SIZE)
    slow_storage(t, stage, server, target)
    stage.start_writable({"vda": target}, server=server)
    asked_and_killed(stage)
    begin = time.monotonic()
    later = open_nbd(stage.uri())
    waited = time.monotonic() - begin
    later.pwrite(b"\xaa" * MIB, 0)
    later.flush()
    while time.monotonic() < begin + 2 * DELAY:
        assert later.pread(MIB, 0) == b"\xaa" * MIB, \
            "what was answered and flushed is gone"
        time.sleep(0.1)
    if waited < WAITED:
        t.say("too slow to see that somebody waits")


main(test)
