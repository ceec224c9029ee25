#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Wrong usage is one sentence and status 2, without asking the daemon; a
daemon that is not there is one sentence and status 1."""

import os

from daemontest import check, cli, folder, refused

LONG = "n" * 5000

usage = [
    ((), "--help"),
    (("nonsense",), "nonsense"),
    (("--nonsense", "version"), "--nonsense"),
    (("backup-begin",), "domain"),
    (("backup-begin", "vm1", "vm2"), "vm2"),
    (("backup-begin", "vm1", "--nonsense"), "--nonsense"),
    (("backup-begin", "vm1", "--checkpoint"), "--checkpoint"),
    (("backup-begin", "vm1", "--checkpoint", "a", "--checkpoint", "b"),
     "twice"),
    (("backup-begin", "vm1", "--strict=yes"), "no value"),
    (("backup-begin", "vm1", "--tcp", "http"), "http"),
    (("backup-begin", "vm1", "--tcp", "70000"), "70000"),
    (("backup-begin", "vm1", "--disk", "a", "--disk", "a=b"), "twice"),
    (("backup-begin", "vm1", "--disk", "a="), "a="),
    (("domain-add", "vm1"), "qmp"),
    (("domain-add", "vm1", "--qmp", ""), "qmp"),
    (("run",), "qmp"),
    (("run", "--qmp", "/q", "--run", ""), "run"),
    (("--list-options", "nonsense"), "nonsense"),
]
for words, says in usage:
    refused(cli(*words), 2, says)

for name in ("a/b", "a^b", "a@b", "a b", "", "..", "a\nb", "\u00fc", LONG):
    refused(cli("backup-info", name), 2, "domain")
    refused(cli("backup-begin", "vm1", "--checkpoint", name), 2,
            "checkpoint")
for name in ("a/b", "a^b", "a@b", "a b", "", LONG):
    refused(cli("backup-begin", "vm1", "--disk", name), 2, "disks")
refused(cli("backup-info", LONG), 2, "5000 bytes")

nobody = os.path.join(folder(), "nobody.sock")
refused(cli("--socket", nobody, "domain-list"), 1, nobody)
refused(cli("--socket", "/" + LONG, "domain-list"), 1, "too long")
os.environ["PULLBACK_SOCKET"] = nobody
refused(cli("domain-list"), 1, nobody)
refused(cli("run", "--qmp", "/q", "--checkpoint", "mon"), 1, "--state-dir")

help_text = cli("--help").stdout
for verb in cli("--list-verbs").stdout.split():
    check(verb in help_text, f"--help lacks {verb}")
    done = cli(verb, "--help")
    check(done.returncode == 0 and verb in done.stdout, f"{verb} --help")
    options = cli("--list-options", verb).stdout.split()
    for option in options:
        check(option in done.stdout, f"{verb} --help lacks {option}")
