#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: sanitizers
"""A server that fails, or goes, in the middle: one sentence says which side, where, and
what to do; run again when it is well, it finishes.  An error of block status alone
is none.  A target that forgets what it was given is found by --verify."""

import os
import re
import threading

from pullbacktest import MIB, main, need, need_programs, wait_until
from pullbacktest.differ import (Differ, changed, make_equal, random_disk,
                                 refused, requests, same_bytes, serve, write_sparse)

SIZE = 24 * MIB + 1000


class Stage:
    def __init__(self, t):
        self.t = t
        self.source = random_disk(t.random, SIZE)
        self.target = changed(t.random, self.source)
        # Every kind of request is needed for it.
        self.source[8 * MIB:9 * MIB] = bytes(MIB)
        self.target[8 * MIB:9 * MIB] = t.random.randbytes(MIB)
        self.target[20 * MIB:20 * MIB + 5] = b"12345"
        self.source[20 * MIB:20 * MIB + 5] = b"54321"
        write_sparse(t.path("source"), self.source)
        write_sparse(t.path("target"), self.target)
        self.n = 0

    def serve(self, name, *words):
        self.n += 1
        return serve(self.t, f"{name}{self.n}", *words[:-1],
                     "file", self.t.path(name), *words[-1])

    def finish(self, what):
        """It is run again, with servers that are well."""
        servers = self.serve("source", ()), self.serve("target", ())
        make_equal(*(server.uri("") for server in servers), "--verify")
        same_bytes(self.t.path("target"), self.source, what)
        for server in servers:
            server.end()
        write_sparse(self.t.path("target"), self.target)


def errors(stage):
    """The error filter fails requests once its file is there: at the first one."""
    trigger = stage.t.path("fail")
    for side, kind, error, sentence in (
            ("source", "pread", "EIO", r"the source cannot be read at offset \d+: "
             "Input/output error: see what its server says, and run this again"),
            ("target", "pread", "EIO", r"the target cannot be read at offset \d+: "),
            ("target", "pwrite", "ENOSPC", r"the target cannot be written at offset "
             r"\d+: No space left on device: make room for it, and run this again"),
            ("target", "zero", "EPERM", r"the target cannot be zeroed at offset \d+: "
             "Operation not permitted: serve it so that it can be written"),
            ("source", "extents", "EIO", None), ("target", "extents", "EIO", None)):
        filters = {"source": ((),), "target": ((),)}
        # Only some, so that the middle is reached as well.
        rate = "100%" if kind in ("zero", "extents") else "30%"
        filters[side] = ("--filter=error", (f"error-{kind}={error}",
                                            f"error-{kind}-rate={rate}",
                                            f"error-{kind}-file={trigger}"))
        servers = [stage.serve(name, *filters[name]) for name in filters]
        open(trigger, "w").close()
        uris = [server.uri("") for server in servers]
        if sentence is None:
            make_equal(*uris)
            same_bytes(stage.t.path("target"), stage.source, kind)
        else:
            said = refused(*uris, state="failed")
            need(re.search(sentence, said), f"{side}, {kind}: {said}")
        for server in servers:
            server.end()
        os.unlink(trigger)
        stage.finish(f"{side}, {kind}")


def flush_fails(stage):
    """Nothing else tells that it is not on stable storage."""
    path = stage.t.path("small")
    write_sparse(path, b"x" * 8192)
    small = serve(stage.t, "small", "file", path)
    part = "iflag=skip_bytes,count_bytes skip=$4 count=$3"
    target = serve(stage.t, "unflushed", "eval", "get_size=echo 8192",
                   f"pread=dd status=none if={path} {part}",
                   "pwrite=echo EIO >&2; exit 1", "can_write=exit 0",
                   "can_flush=exit 0",
                   "flush=echo EIO broken >&2; exit 1")
    said = refused(small.uri(""), target.uri(""), state="failed")
    need("the target cannot be flushed: Input/output error: see what its server "
         "says, and run this again" in said, said)


def killed_server(stage, side):
    """It goes while it is asked."""
    servers, logs = {}, {}
    for name in "source", "target":
        logs[name] = stage.t.path(f"{name}-of-killed-{side}")
        servers[name] = stage.serve(name, "--filter=log", "--filter=delay",
                                    ("rdelay=100ms", f"logfile={logs[name]}"))
    uris = [server.uri("") for server in servers.values()]
    found = []
    thread = threading.Thread(
        target=lambda: found.append(Differ(*uris, "--connections=1")))
    thread.start()
    wait_until(lambda: any(kind == "Read" for kind, _ in requests(logs[side])),
               20, "nothing is read")
    servers[side].kill()
    thread.join()
    said = found[0].said
    need(found[0].status == 1, f"the {side}'s server was killed: {said}")
    need(re.search(f"the {side} cannot be (read|written|zeroed) at offset \\d+: the "
                   "connection was lost: see whether its server runs, and run this|"
                   f"the connection to the {side} was lost: .* \\(at offset", said),
         f"the {side}'s server was killed: {said}")
    for server in servers.values():
        if not server.killed:
            server.end()
    stage.finish(f"the {side}'s server was killed")


def forgetful(stage):
    source = stage.serve("source", ())
    target = serve(stage.t, "null", "null", str(SIZE))
    make_equal(source.uri(""), target.uri(""))
    said = refused(source.uri(""), target.uri(""), "--verify", state="failed")
    need(re.search(r"the target differs at offset \d+ from what was written there",
                   said), said)


def test(t):
    need_programs("nbdkit")
    stage = Stage(t)
    errors(stage)
    flush_fails(stage)
    for side in "source", "target":
        killed_server(stage, side)
    forgetful(stage)


main(test)
