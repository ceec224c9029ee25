#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every verb and option of the command table is in the manual pages, and
what they describe exists."""

import os
import re

from daemontest import check, cli

SOURCE = os.environ["PULLBACK_SRCDIR"]


def page(path):
    with open(os.path.join(SOURCE, path)) as f:
        return f.read()


manual = page("backupd/cli/pullback.pod")
protocol = page("proto/control/pullback-control-protocol.pod")
table = page("proto/control/control-commands.tbl.h")

verbs = cli("--list-verbs").stdout.split()
options = {verb: cli("--list-options", verb).stdout.split() for verb in verbs}

described = re.findall(r"^=head2 (\S+)", manual, re.M)
check(sorted(described) == sorted(verbs),
      f"pullback(1) describes {described}, there are {verbs}")
for verb in verbs:
    for option in options[verb]:
        check(f"B<{option}>" in manual, f"pullback(1) lacks {verb} {option}")
known = set().union(*options.values()) | {
    "--socket", "--json", "--help", "--version", "--list-verbs",
    "--list-options"}
for option in re.findall(r"B<(--[a-z-]+)>", manual):
    check(option in known, f"pullback(1) describes {option}")

described = re.findall(r"^=item C<([a-z-]+)>$", protocol, re.M)
check(sorted(described) == sorted(set(verbs) - {"run"}),
      f"the protocol page describes {described}")
for name in re.findall(r'ARGUMENT \("([a-z-]+)"', table):
    check(f"C<{name}>" in protocol, f"the protocol page lacks {name}")
with open(os.path.join(SOURCE, "proto/base/failure.h")) as f:
    for name in re.findall(r'X \([A-Z_]+, "(\w+)"\)', f.read()):
        check(f"C<{name}>" in protocol, f"the protocol page lacks {name}")

# Why a backup is a full one: each literal with a dash in that file is a reason,
# and so is what a bitmap is marked lost with.
code = page("backupd/backup/backup-chain.c")
given = set(re.findall(r'"([a-z]+(?:-[a-z]+)+)"', code))
for path in ("backupd/checkpoint/checkpoint-settle.c",
             "backupd/checkpoint/checkpoint-delete.c"):
    marks = re.findall(r'(?:lost =|catalog_mark_disk)[^;]*"([a-z-]+)"',
                       page(path))
    check(marks, f"no marks are found in {path}")
    given |= set(marks)
listed = re.search(r"^A full backup of a disk has one of these reasons:$"
                   r"(.*?)^=back$", manual, re.M | re.S)
check(listed, "pullback(1) has no list of reasons")
listed = set(re.findall(r"^=item C<([a-z-]+)>$", listed[1], re.M))
check("disk-new" in given, f"the reasons are not found: {given}")
check(given == listed, f"reasons that pullback(1) lacks: {given - listed}; "
      f"that nothing gives: {listed - given}")
