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
