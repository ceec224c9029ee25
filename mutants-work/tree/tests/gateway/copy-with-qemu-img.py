#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""qemu-img converts, compares and maps (x-dirty-bitmap too), qemu-io reads."""

import json

from pullbacktest import MIB, main, need_programs, run, same
from pullbacktest.gateway import DIRTY, Stage


def test(t):
    need_programs("qemu-img", "qemu-io", "nbdkit")
    stage = Stage(t)
    stage.start("--tcp", "0")
    copy = stage.path("copy")
    tcp = f"nbd://127.0.0.1:{stage.tcp_port()}/vda"
    for uri in stage.uri(), tcp:
        run("qemu-img", "convert", "-f", "raw", "-O", "raw", uri, copy)
        same(copy, stage.image(), f"{uri}")
        run("qemu-img", "compare", "-f", "raw", "-F", "raw", uri,
            stage.image())
    blocks = json.loads(run("qemu-img", "map", "--output=json", "-f", "raw",
                            stage.uri()).stdout)
    assert [(b["start"], b["length"]) for b in blocks if b["data"]] == [
        (MIB, 2 * MIB), (5 * MIB, 65536), (16 * MIB - 65536, 65536)], blocks
    # The convention: dirty shows as not data.
    options = (f"driver=nbd,server.type=unix,server.path={stage.socket},"
               f"export=vda,x-dirty-bitmap={DIRTY}")
    blocks = json.loads(run("qemu-img", "map", "--output=json",
                            "--image-opts", options).stdout)
    dirty = [(b["start"], b["length"]) for b in blocks if not b["data"]]
    assert dirty == [(MIB + 65536, 131072), (5 * MIB, 65536)], blocks
    with open(stage.image(), "rb") as f:
        f.seek(MIB)
        byte = f.read(1)[0]
    text = run("qemu-io", "-r", "-f", "raw", "-c", f"read -v {MIB} 16",
               stage.uri()).stdout
    assert f"{MIB:08x}:  {byte:02x}" in text, text


main(test)
