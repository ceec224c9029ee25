#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: slow
"""What a commit says is whole is on stable storage, data and names, in that order, and
so is the mark of an image before anybody may write to it (rules R1, R2, R5): by the
daemon's system calls.  A power cut between any two of them finds no half image
that nothing tells of."""

import os

from pullbacktest import Daemon, MIB, main, need_programs, run
from pullbacktest.restore import MARK, restore_begin, write_random
from pullbacktest.systemcalls import (file_of, read_calls, record_with,
                                      strings_of)

CALLS = "openat,fsync,fdatasync,renameat2,unlink,unlinkat,execve,linkat"
SIZE = 4 * MIB


def is_gateway(call, _, names):
    return call == "execve" and names[0].endswith("/pullback-gateway")


class Calls:
    def __init__(self, traces):
        self.all = [(call, file_of(arguments) if "sync" in call
                     or "at" in call else "", [s.decode(errors="replace") for
                                               s in strings_of(arguments)])
                    for _, call, arguments, _ in read_calls(traces)]

    def after(self, at, what, matches):
        """Where the first such call is behind place AT."""
        for i in range(at + 1, len(self.all)):
            if matches(*self.all[i]):
                return i
        raise AssertionError(f"{what} does not come after {self.all[at]}")

    def served(self, before):
        """Where the gateway was started of the restore that was over BEFORE."""
        return max(i for i in range(before) if is_gateway(*self.all[i]))

    def sync(self, at, path):
        return self.after(at, f"a sync of {path}", lambda call, file, _:
                          call in ("fsync", "fdatasync") and file == path)


def of_the_old(t, calls, path):
    """Marked, then written to; synced, then unmarked."""
    mark = os.path.basename(path) + MARK
    folder = os.path.dirname(path)
    made = calls.after(-1, "the mark", lambda call, file, names:
                       call == "openat" and names == [mark])
    synced = calls.sync(calls.sync(made, path + MARK), folder)
    served = calls.after(synced, "the gateway", is_gateway)
    removed = calls.after(served, "the mark's end", lambda call, file, names:
                          call == "unlinkat" and names == [mark])
    t.check(calls.sync(served, path) < removed,
            "the mark goes before the data is synced")
    calls.sync(removed, folder)


def of_the_new(t, calls, path):
    """Synced, then named, then forgotten by the journal."""
    name, folder = os.path.basename(path), os.path.dirname(path)
    renamed = calls.after(-1, "the name", lambda call, file, names:
                          call == "renameat2" and names[1:] == [name])
    temporary = os.path.join(folder, calls.all[renamed][2][0])
    t.check(calls.sync(calls.served(renamed), temporary) < renamed,
            "the image has its name before it is synced")
    synced = calls.sync(renamed, folder)
    calls.after(synced, "the journal's end", lambda call, file, names:
                call.startswith("unlink") and names[-1].endswith("two.json"))


def test(t):
    need_programs("strace")
    traces = t.path("trace")
    source = write_random(t, t.path("source"), SIZE)
    old = write_random(t, t.path("old.raw"), SIZE)
    daemon = Daemon(t, env={"PATH": record_with(t, traces, CALLS)})
    info = restore_begin(daemon, "one", "--image", old, "--format", "raw")
    run("nbdcopy", source, info["uri"]["vda"])
    daemon.cli("restore-commit", "one")
    for name, form in ("new.raw", "raw"), ("new.qcow2", "qcow2"):
        info = restore_begin(daemon, "two", "--image", t.path(name),
                             "--create", form, "--size", str(SIZE))
        run("nbdcopy", source, info["uri"]["vda"])
        daemon.cli("restore-commit", "two")
    daemon.terminate()
    calls = Calls(traces)
    of_the_old(t, calls, old)
    of_the_new(t, calls, t.path("new.raw"))
    of_the_new(t, calls, t.path("new.qcow2"))


main(test)
