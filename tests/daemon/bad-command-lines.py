#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Wrong usage of pullback and of the daemon is one sentence and status 2,
without asking the daemon; a daemon that is not there is one sentence and status 1."""

import os

from pullbacktest import main, run
from pullbacktest.refusal import check_refusal

LONG = "n" * 5000

USAGE = [
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
    (("backup-begin", "vm1", "--stric=yes"), "has no option --stric"),
    (("domain-add", "vm1", "--qm"), "has no option --qm"),
    (("--sock",), "there is no option --sock"),
    (("backup-begin", "vm1", "--tcp", "http"), "http"),
    (("backup-begin", "vm1", "--tcp", "70000"), "70000"),
    (("backup-begin", "vm1", "--disk", "a", "--disk", "a=b"), "twice"),
    (("backup-begin", "vm1", "--disk", "a="), "a="),
    (("domain-add", "vm1", "--qmp", ""), "qmp"),
    (("run",), "qmp"),
    (("run", "vm1"), "--libvirt"),
    (("run", "--libvirt", "qemu:///system"), "NAME"),
    (("run", "vm1", "--qmp", "/q"), "not libvirt"),
    (("run", "--qmp", "/q", "--run", ""), "run"),
    (("run", "--complete"), "must be the first"),
]


# Of the daemon, which has made nothing by then.
OPTIONS = [
    *[((option, ""), f"{option} needs a value that is not empty")
      for option in ("--socket", "--runtime-dir", "--state-dir", "--scratch-dir",
                     "--gateway-user", "--metrics-file", "--metrics-listen",
                     "--default-ttl", "--default-idle-timeout", "--sink-limit",
                     "--sink-wait", "--max-rate", "--pace-floor",
                     "--scratch-limit")],
    (("--socket",), "--socket needs a value"),
    (("--default-ttl", "1h"), "not 1h"),
    (("--max-rate", "1"), "not 1"),
    (("vm1",), "vm1"),
]


def help_is_whole(t):
    help_text = run("pullback", "--help").stdout
    for verb in run("pullback", "--complete", "").stdout.split():
        t.check(verb in help_text, f"--help lacks {verb}")
        text = run("pullback", verb, "--help").stdout
        t.check(verb in text, f"{verb} --help")
        for option in run("pullback", "--complete", verb, "-").stdout.split():
            t.check(option in text, f"{verb} --help lacks {option}")


def test(t):
    def refused(status, words, saying):
        done = run("pullback", *words, check=False)
        sentence = check_refusal(t, done, [saying], [status])
        t.check(sentence.startswith("pullback: "), sentence)

    for words, saying in USAGE:
        refused(2, words, saying)
    for words, saying in OPTIONS:
        sentence = check_refusal(t, run("pullback-backupd", *words, check=False),
                                 [saying], [2])
        t.check(sentence.startswith("pullback-backupd: error: "), sentence)
    for name in ("a/b", "a^b", "a@b", "a b", "", "..", "a\nb", "\u00fc", LONG):
        refused(2, ["backup-info", name], "domain")
        refused(2, ["backup-begin", "vm1", "--checkpoint", name], "checkpoint")
    for name in ("a/b", "a^b", "a@b", "a b", "", LONG):
        refused(2, ["backup-begin", "vm1", "--disk", name], "disks")
    refused(2, ["backup-info", LONG], "5000 bytes")

    nobody = t.path("nobody.sock")
    refused(1, ["--socket", nobody, "domain-list"], nobody)
    for path in ("", "/" + LONG):
        refused(1, ["--socket", path, "domain-list"], "1 to 107 bytes")
    os.environ["PULLBACK_SOCKET"] = nobody
    refused(1, ["domain-list"], nobody)
    refused(2, ["run", "--qmp", "/q", "--checkpoint", "mon"], "--state-dir")
    help_is_whole(t)


main(test)
