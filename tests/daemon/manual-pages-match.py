#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every verb and option of the command table is in the manual pages, and
what they describe exists."""

import os
import re

from pullbacktest import main, need, run

SOURCE = os.environ["PULLBACK_SRCDIR"]


def page(path):
    with open(os.path.join(SOURCE, path)) as f:
        return f.read()


def commands_are_described(t, manual):
    protocol = page("proto/control/pullback-control-protocol.pod")
    table = page("proto/control/control-commands.tbl.h")

    verbs = run("pullback", "--list-verbs").stdout.split()
    options = {verb: run("pullback", "--list-options", verb).stdout.split()
               for verb in verbs}

    described = re.findall(r"^=head2 (\S+)", manual, re.M)
    t.check(sorted(described) == sorted(verbs),
            f"pullback(1) describes {described}, there are {verbs}")
    for verb in verbs:
        for option in options[verb]:
            t.check(f"B<{option}>" in manual,
                    f"pullback(1) lacks {verb} {option}")
    known = set().union(*options.values()) | {
        "--socket", "--json", "--help", "--version", "--list-verbs",
        "--list-options"}
    for option in re.findall(r"B<(--[a-z-]+)>", manual):
        t.check(option in known, f"pullback(1) describes {option}")

    described = re.findall(r"^=item C<([a-z-]+)>$", protocol, re.M)
    t.check(sorted(described) == sorted(set(verbs) - {"run"}),
            f"the protocol page describes {described}")
    # What only the command line knows is not in the protocol.
    shared = re.sub(r'^COMMAND \(\w+, "[a-z-]+", LOCAL,.*?^END_COMMAND', "",
                    table, flags=re.M | re.S)
    names = re.findall(r'(?:ARGUMENT|OPTION|FLAG) \(\w+, "([a-z-]+)"', shared)
    need("ttl" in names, f"the arguments are not found: {names}")
    for name in names:
        t.check(f"C<{name}>" in protocol, f"the protocol page lacks {name}")
    with open(os.path.join(SOURCE, "proto/base/failure.h")) as f:
        for name in re.findall(r'X \([A-Z_]+, "(\w+)"\)', f.read()):
            t.check(f"C<{name}>" in protocol,
                    f"the protocol page lacks {name}")


def reasons_are_described(t, manual):
    """Why a backup is a full one: each literal with a dash in that file is a
    reason, and so is what a bitmap is marked lost with."""
    code = page("backupd/backup/backup-since.c")
    given = set(re.findall(r'"([a-z]+(?:-[a-z]+)+)"', code))
    for path in ("backupd/checkpoint/checkpoint-settle.c",
                 "backupd/checkpoint/checkpoint-delete.c"):
        marks = re.findall(r'(?:lost =|catalog_mark_disk)[^;]*"([a-z-]+)"',
                           page(path))
        t.check(marks, f"no marks are found in {path}")
        given |= set(marks)
    listed = re.search(r"^A full backup of a disk has one of these reasons:$"
                       r"(.*?)^=back$", manual, re.M | re.S)
    need(listed, "pullback(1) has no list of reasons")
    listed = set(re.findall(r"^=item C<([a-z-]+)>$", listed[1], re.M))
    t.check("disk-new" in given, f"the reasons are not found: {given}")
    t.check(given == listed,
            f"reasons that pullback(1) lacks: {given - listed}; "
            f"that nothing gives: {listed - given}")


def test(t):
    manual = page("backupd/cli/pullback.pod")
    commands_are_described(t, manual)
    reasons_are_described(t, manual)


main(test)
