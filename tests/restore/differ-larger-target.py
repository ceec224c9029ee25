#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a larger target has behind the source's end stays, byte for byte, and it is said
how much that is; or it is zeroed with --zero-rest.  Sizes are odd, and so is the
end of the source within the target's blocks.  A smaller target, one that is
read-only or cannot be written as needed, and what is no NBD server are refused
by one sentence, before anything is written."""

import json

from pullbacktest import MIB, main, need, need_programs
from pullbacktest.differ import (Differ, changed, make_equal, random_disk,
                                 refused, requests, same_bytes, serve,
                                 write_sparse)

LEAST = (1, 512, 4096, 65536)


def target_of(t, name, least, *more):
    return serve(t, name, "--filter=log", "--filter=blocksize-policy", "file",
                 t.path("target"), f"blocksize-minimum={least}",
                 f"blocksize-preferred={max(least, 4096)}",
                 "blocksize-error-policy=error",
                 "logfile=" + t.path("requests"), *more)


def larger(t, rng, number, least):
    size = rng.choice([rng.randrange(1, 3 * MIB), MIB, 65536 + 10, 1])
    whole = (size // least + rng.randrange(1, 100)) * least
    whole += rng.choice([0, 2 * MIB])
    source = random_disk(rng, size)
    target = changed(rng, source) + rng.randbytes(whole - size)
    # Blocks that hold both ends, and are zero in the source, too.
    source[-5000:] = bytes(len(source[-5000:]))
    write_sparse(t.path("source"), source)
    servers = serve(t, f"s{number}", "file", t.path("source")), None
    for rest in (), ("--zero-rest",):
        write_sparse(t.path("target"), target)
        servers = servers[0], target_of(t, f"t{number}{len(rest)}", least)
        what = f"{size} bytes to {whole}, least block {least}, {rest}"
        differ = Differ(servers[0].uri(""), servers[1].uri(""), *rest,
                        "--verify")
        need(differ.status == 0, f"{what}: {differ.said}")
        want = bytes(whole - size) if rest else target[size:]
        same_bytes(t.path("target"), source + want, what)
        left = differ.counts["left"]
        need(left == (0 if rest else whole - differ.counts["total"]),
             f"{what}: {differ.counts}")
        need(left == 0 and not differ.said or
             f"its last {left} bytes were left" in differ.said,
             f"{what}: {differ.said}")
        need(make_equal(*(s.uri("") for s in servers), *rest)["written"] == 0,
             f"{what}: written again")
        servers[1].end()
    servers[0].end()


def keeps_storage(t, rng):
    """--no-trim is passed on."""
    write_sparse(t.path("source"), bytes(4 * MIB))
    source = serve(t, "zeros", "file", t.path("source"))
    for words, flag in (("--no-trim",), "trim=0"), ((), "trim=1"):
        write_sparse(t.path("target"), rng.randbytes(4 * MIB))
        target = target_of(t, "trimmed" + flag[-1], 1)
        counts = make_equal(source.uri(""), target.uri(""), *words)
        need(counts["zeroed"] == 4 * MIB, f"{counts}")
        with open(t.path("requests"), encoding="utf-8") as log:
            zeros = [line for line in log if " Zero " in line]
        need(zeros and all(flag in line for line in zeros), f"{words}: {zeros}")
        target.end()


def refusals(t, rng):
    write_sparse(t.path("source"), rng.randbytes(MIB))
    source = serve(t, "source", "file", t.path("source")).uri("")

    def refuse(sentence, target, *words, from_=source, status=1):
        said = refused(from_, target, *words, status=status)
        need(sentence in said, f"want '{sentence}': {said}")

    before = rng.randbytes(MIB - 512)
    write_sparse(t.path("target"), before)
    target = target_of(t, "small", 1)
    refuse("the target has 1048064 bytes, and the source 1048576: nothing was "
           "written; make the target as large", target.uri(""))
    same_bytes(t.path("target"), before, "a smaller target")
    need(not any(kind in ("Write", "Zero") for kind, _ in
                 requests(t.path("requests"))), "the smaller was written to")
    write_sparse(t.path("target"), bytes(MIB))
    refuse("the target is read-only: nothing was written",
           serve(t, "readonly", "-r", "file", t.path("target")).uri(""))
    refuse("the target takes only requests of at most 65536 bytes",
           target_of(t, "short", 4096, "blocksize-maximum=64K").uri(""))
    target = target_of(t, "target", 1).uri("")
    nobody = f"nbd+unix:///?socket={t.path('nobody')}"
    refuse("the source cannot be opened: ", target, from_=nobody)
    refuse("the target cannot be opened: ", nobody)
    refuse("the target cannot be opened: ", "nothing", "--status",
           t.path("status"))
    with open(t.path("status"), encoding="utf-8") as stream:
        status = json.load(stream)
    need(status["state"] == "failed" and
         status["reason"].startswith("the target cannot be opened: "), f"{status}")
    refuse("the target cannot be opened: ", "file:///etc/passwd")
    for words, sentence in ((("--connections=17",), "--connections needs 1 to 16"),
                            (("--progress=xml",), "--progress is text or json"),
                            (("more",), "unexpected argument")):
        refuse(sentence, target, *words, status=2)


def test(t):
    need_programs("nbdkit")
    rng = t.random
    for number, least in enumerate(LEAST * 4):
        larger(t, rng, number, least)
    keeps_storage(t, rng)
    refusals(t, rng)


main(test)
