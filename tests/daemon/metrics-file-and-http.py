#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: slow
# mark: waits
"""The metrics come over HTTP, on TCP and a unix socket, and as a file: bad
requests and silent clients hold up nobody, a full disk leaves the old file and
the daemon as they were, and nothing is left at the daemon's end."""

import http.client
import os
import socket
import stat

from pullbacktest import Daemon, Skip, main, need, run, wait_until
from pullbacktest.metrics import Metrics
from pullbacktest.obstacles import kept_port, small_store


def connect(where):
    if isinstance(where, int):
        return socket.create_connection(("127.0.0.1", where), timeout=20)
    link = socket.socket(socket.AF_UNIX)
    link.settimeout(20)
    # The control socket answers before this one.
    wait_until(lambda: link.connect_ex(where) == 0, 20, f"nobody at {where}")
    return link


def ask(where, method="GET", page="/metrics"):
    """(status, type, text)"""
    client = http.client.HTTPConnection("localhost", timeout=20)
    client.sock = connect(where)
    client.request(method, page)
    reply = client.getresponse()
    text = reply.read().decode()
    client.close()
    return reply.status, reply.getheader("Content-Type"), text


def serves(t, daemon, where):
    status, kind, text = ask(where)
    t.check(status == 200 and kind.startswith("text/plain; version=0.0.4"),
            f"{status} {kind}")
    t.check(Metrics(text).get("pullback_domains") == 1, text)
    t.check(Metrics(daemon.pullback("metrics").stdout).get("pullback_domains")
            == 1, "pullback metrics shows another")
    for method, page, want in (("GET", "/", 404), ("GET", "/etc/passwd", 404),
                               ("POST", "/metrics", 405),
                               ("DELETE", "/metrics", 405),
                               ("HEAD", "/metrics", 200)):
        got = ask(where, method, page)[0]
        t.check(got == want, f"{method} {page}: {got}, want {want}")


def bad_requests(t, where):
    for data in (b"\0" * 5000, b"GET\r\n\r\n", b"GET /metrics HTTP/1.1\r\n",
                 b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n",
                 b"GET /metrics HTTP/9.9\r\n\r\n", b"\r\n" * 1000):
        link = connect(where)
        try:
            link.sendall(data)
        except OSError:
            pass
        link.close()
    t.check(ask(where)[0] == 200, "no answer after bad requests")


def silent_clients(t, where):
    silent = [connect(where) for _ in range(40)]
    t.check(ask(where)[0] == 200, "no answer beside silent clients")
    for link in silent:
        link.close()


def no_port_twice(t, daemon, port):
    """What cannot be is refused at the start."""
    for where, words in ((str(port), "in use"), ("nonsense", "[ADDRESS:]PORT"),
                         ("/nonexistent/x", "/nonexistent/x")):
        done = run("pullback-backupd", "--runtime-dir", t.path("r2"),
                   "--state-dir", t.path("s2"), "--metrics-listen", where,
                   check=False)
        t.check(done.returncode == 1 and words in done.stderr,
                f"{where}: {done.returncode} {done.stderr}")


def shown(path):
    """Domains in the file."""
    with open(path) as f:
        return Metrics(f.read()).get("pullback_domains")


def file_is_replaced(t, daemon, path):
    wait_until(lambda: os.path.exists(path), 10, "there is no metrics file")
    mode = stat.S_IMODE(os.stat(path).st_mode)
    t.check(mode == 0o644, f"its mode is {mode:o}")
    with open(path) as f:
        Metrics(f.read())
    daemon.cli("domain-remove", "vm2")
    wait_until(lambda: shown(path) == 2, 10, "it is not replaced at once")


def full_disk(t, daemon, folder, path):
    with open(os.path.join(folder, "filler"), "wb", buffering=0) as f:
        try:
            while True:
                f.write(b"\0" * 4096)
        except OSError:
            pass
    daemon.cli("domain-remove", "vm3")
    wait_until(lambda: "cannot write the metrics file" in daemon.log_text(),
               10, "a full disk is not told")
    t.check(os.listdir(folder) in (["filler", "p.prom"], ["p.prom", "filler"]),
            f"{os.listdir(folder)}")
    t.check(shown(path) == 2, "half a file")
    os.unlink(os.path.join(folder, "filler"))
    # By itself, some time.
    wait_until(lambda: shown(path) == 1, 25, "it is not written again")
    wait_until(lambda: "is written again" in daemon.log_text(), 10,
               "that is not told")


def test(t):
    port, path = kept_port(t), t.path("m.sock")
    folder = small_store(t)
    metrics = os.path.join(folder, "p.prom")
    probe = run("pullback-backupd", "--state-dir", t.path("s3"), "--runtime-dir",
                t.path("r3"), "--metrics-listen", "nonsense", check=False)
    if "built without" in probe.stderr:
        raise Skip("built without libmicrohttpd")
    daemon = Daemon(t, more=["--metrics-listen", str(port), "--metrics-file",
                             metrics])
    for name in ("vm1", "vm2", "vm3"):
        daemon.register(name)
    daemon.restart()
    bad_requests(t, port)
    silent_clients(t, port)
    no_port_twice(t, daemon, port)
    file_is_replaced(t, daemon, metrics)
    full_disk(t, daemon, folder, metrics)
    serves(t, daemon, port)
    daemon.terminate()
    t.check(not os.path.exists(metrics), "the file outlives the daemon")
    daemon.more = ["--metrics-listen", path]
    daemon.start()
    serves(t, daemon, path)
    bad_requests(t, path)
    need(stat.S_IMODE(os.stat(path).st_mode) == 0o666, "mode of the socket")
    daemon.terminate()
    t.check(not os.path.exists(path), "the socket outlives the daemon")


main(test)
