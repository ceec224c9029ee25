#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whatever comes over the control socket gets an error of the right class, and
the daemon goes on."""

import json

from daemontest import Client, Daemon, check, error_class

daemon = Daemon()


def answers(data, wanted, says=""):
    with Client(daemon.socket) as client:
        check("version" in client.greeting["pullback"], client.greeting)
        client.send(data)
        desc = error_class(client.read(), wanted)
        check(says in desc, f"{says!r} is not in {desc!r}")
        # The connection is still good.
        check("return" in client.ask("version"), f"after {data[:60]!r}")


def request(verb, arguments):
    return json.dumps({"execute": verb, "arguments": arguments,
                       "id": [1]}).encode() + b"\n"


for junk in (b"hello\n", b"[1]\n", b"7\n", b"\0\0\n", b'{"\xff": 1}\n',
             b'{"execute":' + b"[" * 5000 + b"\n", b'{"execute": "version"\n'):
    answers(junk, "BadArgument")
answers(b"{}\n", "BadArgument", "execute")
answers(b'{"execute": "version", "x": 1}\n', "BadArgument", "x")
answers(b'{"execute": "quit"}\n', "CommandNotFound", "quit")
answers(b'{"execute": "' + b"q" * 5000 + b'"}\n', "CommandNotFound", "5000")
answers(request("version", {"verbose": True}), "BadArgument", "verbose")
answers(request("backup-info", {}), "BadArgument", "domain")
answers(request("backup-info", {"domain": 7}), "BadArgument", "domain")
answers(request("backup-info", {"domain": "a\0b"}), "BadArgument", "NUL")
answers(request("backup-begin", {"domain": "v", "disks": "vda"}),
        "BadArgument", "disks")
answers(request("domain-add", {"name": "v", "qmp": "relative"}),
        "BadArgument", "relative")
for name in ("a/b", "a^b", "a@b", "a b", "", "..", "n" * 5000):
    answers(request("backup-info", {"domain": name}), "BadArgument", "domain")
for verb in ("domain-info", "domain-remove"):
    answers(request(verb, {"name": "vm1"}), "DomainNotFound", "vm1")
for verb in ("backup-begin", "backup-commit", "backup-abort", "backup-info",
             "checkpoint-list"):
    answers(request(verb, {"domain": "vm1"}), "DomainNotFound", "vm1")
for name in ("control", "fleece", "vm1.sock"):
    answers(request("domain-add", {"name": name, "qmp": "/q"}), "BadArgument",
            name)
answers(request("domain-add", {"name": "vm1", "qmp": "/nonexistent/q"}),
        "QemuError", "/nonexistent/q")
check(daemon.ask("domain-list")["return"]["domains"] == [], "domain kept")

# The id comes back, also with an error.
with Client(daemon.socket) as client:
    client.send(request("version", {}))
    check(client.read()["id"] == [1], "id of a reply")
    client.send(request("nonsense", {}))
    check(client.read()["id"] == [1], "id of an error")

# A line without an end: one error, then the connection is closed.
with Client(daemon.socket) as client:
    try:
        for _ in range(20):
            client.send(b"x" * (1 << 20))
    except OSError:
        pass
    try:
        error_class(client.read(), "BadArgument")
        check(client.read() is None, "still open after a huge line")
    except OSError:
        pass
daemon.stop()
