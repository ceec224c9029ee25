#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A client that asks for one extent at a time, as QEMU does, makes the upstream
server look for one at a time: the work for a whole map grows with the number
of extents, not with its square."""

import json
import os
import re

from pullbacktest import main, need_programs, run
from pullbacktest.gateway import DIRTY, Stage

COUNT = 1000
STEP = 8192


def test(t):
    need_programs("nbdkit", "nbdinfo", "qemu-img")
    stage = Stage(t)
    for name in "vda", "vda@dirty":
        with open(stage.image(name), "wb") as f:
            f.truncate(COUNT * STEP)
            for i in range(COUNT):
                f.seek(i * STEP)
                f.write(b"x" * (STEP // 2))
    log = stage.path("requests")
    stage.start_upstream("--filter=log", f"logfile={log}")
    stage.write_routes()
    stage.start_gateway()
    text = run("qemu-img", "map", "--output=json", "--image-opts",
               "driver=nbd,export=vda,server.type=unix,"
               f"server.path={stage.socket},x-dirty-bitmap={DIRTY}").stdout
    extents = json.loads(text)
    assert len(extents) == 2 * COUNT, len(extents)
    assert all(e["length"] == STEP // 2 for e in extents)
    found = requests = 0
    with open(log, encoding="utf-8") as f:
        for line in f:
            if "...Extents" in line:
                requests += 1
                found += len(re.findall("0x[0-9a-f]+", line)) // 2
    t.say(f"{requests} requests found {found} extents, "
          f"{os.path.getsize(log)} bytes of log")
    assert requests >= 2 * COUNT, requests
    assert found <= 8 * COUNT, found


main(test)
