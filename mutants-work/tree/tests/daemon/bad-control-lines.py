#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whatever comes over the control socket gets an error of the right class, and
the daemon goes on."""

import json

from pullbacktest import MIB, Daemon, main
from pullbacktest.control import Control

JUNK = [b"hello\n", b"[1]\n", b"7\n", b"\0\0\n", b'{"\xff": 1}\n',
        b'{"execute":7}\n', b'{"execute":' + b"[" * 100000 + b"\n",
        b'{"execute": "version"\n',
        b'{"execute":"domain-list","arguments":3}\n']


def request(verb, **arguments):
    return json.dumps({"execute": verb, "arguments": arguments,
                       "id": [1]}).encode() + b"\n"


WRONG = [
    (b"{}\n", "BadArgument", "execute"),
    (b'{"execute": "version", "x": 1}\n', "BadArgument", "x"),
    (b'{"execute": "quit"}\n', "CommandNotFound", "quit"),
    (b'{"execute": "' + b"q" * 5000 + b'"}\n', "CommandNotFound", "5000"),
    (request("version", verbose=True), "BadArgument", "verbose"),
    (request("backup-info"), "BadArgument", "domain"),
    (request("backup-info", domain=7), "BadArgument", "domain"),
    (request("backup-info", domain={"a": []}), "BadArgument", "domain"),
    (request("backup-info", domain="a\0b"), "BadArgument", "NUL"),
    (request("backup-begin", domain="v", disks="vda"), "BadArgument", "disks"),
    (request("domain-add", name="v", qmp="relative"), "BadArgument",
     "relative"),
    *[(request("backup-info", domain=name), "BadArgument", "domain")
      for name in ("a/b", "a^b", "a@b", "a b", "", "..", "n" * 5000)],
    *[(request(verb, name="vm1"), "DomainNotFound", "vm1")
      for verb in ("domain-info", "domain-remove")],
    *[(request(verb, domain="vm1"), "DomainNotFound", "vm1")
      for verb in ("backup-begin", "backup-commit", "backup-abort",
                   "backup-info", "checkpoint-list")],
    *[(request("domain-add", name=name, qmp="/q"), "BadArgument", name)
      for name in ("control", "fleece", "vm1.sock")],
    # What is shortened for the sentence is still UTF-8.
    (request("x" + 60 * "\u00e4"), "CommandNotFound", "121 bytes"),
    (request("domain-add", name="v", qmp="/" + 150 * "\u00e4"), "BadArgument",
     "1 to 107 bytes"),
    (request("domain-add", name="vm1", qmp="/nonexistent/q"), "QemuError",
     "/nonexistent/q"),
]


def is_error(t, message, error_class, saying, what):
    error = message.get("error", {})
    t.check(error.get("class") == error_class and saying in error["desc"],
            f"{what[:60]}: want {error_class}, {saying!r}; got {message}")


def answers(t, daemon, line, error_class, saying=""):
    with Control(daemon.socket) as control:
        t.check("version" in control.greeting["pullback"], control.greeting)
        is_error(t, control.answer(line), error_class, saying, line)
        # The connection is still good.
        control("version")


def huge_lines(t, daemon):
    """One error, then the connection is closed."""
    for line in (b"x" * 20 * MIB, b'{"execute":"' + b"x" * 64 * MIB + b'"}\n',
                 # Short as text, but not as objects.
                 b'{"execute":"version","id":[' + b"{}," * 50000 + b"0]}\n"):
        with Control(daemon.socket) as control:
            try:
                control.send_bytes(line)
            except OSError:
                pass
            try:
                is_error(t, control.read(), "BadArgument", "longer", line)
                t.check(control.read() is None, "open after a huge line")
            except OSError:
                pass
        t.check(daemon.alive(), "the daemon died of a huge line")


def test(t):
    daemon = Daemon(t)
    for line in JUNK:
        answers(t, daemon, line, "BadArgument")
    for line, error_class, saying in WRONG:
        answers(t, daemon, line, error_class, saying)
    t.check(daemon.ask("domain-list")["domains"] == [], "domain kept")
    # The id comes back, also with an error.
    with Control(daemon.socket) as control:
        for verb in "version", "nonsense":
            t.check(control.answer(request(verb))["id"] == [1], f"id: {verb}")
    huge_lines(t, daemon)
    daemon.terminate()


main(test)
