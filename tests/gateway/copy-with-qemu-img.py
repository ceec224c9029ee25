#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""qemu-img converts, compares and maps (x-dirty-bitmap too), qemu-io reads."""

import json

from gatewaytest import DIRTY, MIB, Stage, need, output, same_bytes

need("qemu-img", "qemu-io", "nbdkit")
with Stage() as stage:
    stage.start("--tcp", "0")
    copy = stage.path("copy")
    tcp = f"nbd://127.0.0.1:{stage.tcp_port()}/vda"
    for uri in stage.uri(), tcp:
        output("qemu-img", "convert", "-f", "raw", "-O", "raw", uri, copy)
        assert same_bytes(copy, stage.image()), uri
        output("qemu-img", "compare", "-f", "raw", "-F", "raw", uri,
               stage.image())
    blocks = json.loads(output("qemu-img", "map", "--output=json", "-f", "raw",
                               stage.uri()))
    assert [(b["start"], b["length"]) for b in blocks if b["data"]] == [
        (MIB, 2 * MIB), (5 * MIB, 65536), (16 * MIB - 65536, 65536)], blocks
    # The convention: dirty shows as not data.
    options = (f"driver=nbd,server.type=unix,server.path={stage.socket},"
               f"export=vda,x-dirty-bitmap={DIRTY}")
    blocks = json.loads(output("qemu-img", "map", "--output=json",
                               "--image-opts", options))
    dirty = [(b["start"], b["length"]) for b in blocks if not b["data"]]
    assert dirty == [(MIB + 65536, 131072), (5 * MIB, 65536)], blocks
    with open(stage.image(), "rb") as f:
        f.seek(MIB)
        byte = f.read(1)[0]
    text = output("qemu-io", "-r", "-f", "raw", "-c", f"read -v {MIB} 16",
                  stage.uri())
    assert f"{MIB:08x}:  {byte:02x}" in text, text
