#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clients can list the exports and their contexts, and the only plain disk is
the default export."""

import json
import struct

from pullbacktest import main, need_programs, run
from pullbacktest.gateway import DIRTY, Stage

def raw_lists(stage):
    with stage.raw() as client:
        client.client_flags()
        client.option(3)
        # The name, and behind it what a person reads.
        _, kind, data = client.option_reply()
        assert kind == 2 and data == b"\0\0\0\3vdadisk vda", (kind, data)
        _, kind, data = client.option_reply()
        assert kind == 2 and data == b"\0\0\0\11vda@dirty", (kind, data)
        assert client.option_reply()[1] == 1
        # A wildcard ends in ':'; a zero byte does not end a query.
        for query, count in [(b"base:", 1), (b"qemu:", 1),
                             (b"base:allocation\0junk:", 0),
                             (b"base:\0:", 0)]:
            client.option(9, struct.pack(">I", 3) + b"vda"
                          + struct.pack(">II", 1, len(query)) + query)
            for _ in range(count):
                assert client.option_reply()[1] == 4, query
            assert client.option_reply()[1] == 1, query


def one_disk(t):
    stage = Stage(t)
    stage.start()
    text = run("nbdinfo", "--json", "--list", stage.uri("")).stdout
    exports = {e["export-name"]: e for e in json.loads(text)["exports"]}
    assert set(exports) == {"vda", "vda@dirty"}, exports
    vda = exports["vda"]
    assert vda["contexts"] == ["base:allocation", DIRTY], vda
    assert vda["is_read_only"] and vda["can_multi_conn"], vda
    assert vda["export-size"] == 16 << 20, vda
    assert exports["vda@dirty"]["contexts"] == ["base:allocation"]
    info = json.loads(run("nbdinfo", "--json", stage.uri("vda")).stdout)
    assert info["exports"][0].get("description") == "disk vda", info
    assert run("nbdinfo", "--size", stage.uri("")).stdout == f"{16 << 20}\n"
    listed = run("qemu-nbd", "--list", "-k", stage.socket).stdout
    assert "export: 'vda'" in listed and DIRTY in listed, listed
    done = run("nbdinfo", "--size", stage.uri("vdx"), check=False)
    assert done.returncode == 1, done
    raw_lists(stage)


def two_disks(t):
    stage = Stage(t)
    stage.make_disk()
    stage.make_disk(name="vdb")
    stage.start_upstream()
    stage.write_routes(["vda", "vdb"])
    stage.start_gateway()
    done = run("nbdinfo", "--size", stage.uri(""), check=False)
    assert done.returncode == 1, done
    run("nbdinfo", "--size", stage.uri("vdb"))


def test(t):
    need_programs("nbdinfo", "nbdkit", "qemu-nbd")
    one_disk(t)
    two_disks(t)


main(test)
