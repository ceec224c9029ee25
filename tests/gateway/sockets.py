#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sockets: removed at SIGTERM and SIGINT with clients connected, a stale one
is replaced, one in use is refused, they are private, handed-over ones
(LISTEN_FDS) work, the warning about TCP off loopback, too many connections,
too few files."""

import os
import signal
import socket

from pullbacktest import MIB, main, need_programs, run, wait_until
from pullbacktest.gateway import Stage, gateway_refuses
from pullbacktest.processes import status_kib


def ends_cleanly(stage, number):
    clients = [stage.raw(), stage.raw()]
    clients[0].go()
    stage.gateway.send_signal(number)
    for client in clients:
        assert client.is_cut()
        client.close()
    stage.wait_for_the_end()


def stale_and_live(stage):
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(stage.socket)
    stage.start_gateway()
    base = ["--routes", stage.routes]
    gateway_refuses(stage.t, *base, "--unix", stage.socket,
                    saying=[stage.socket, "is in use"])
    run("nbdinfo", "--size", stage.uri())
    gateway_refuses(stage.t, *base, "--unix", stage.routes,
                    saying=["is not a socket"])
    assert os.path.exists(stage.routes)
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        port = s.getsockname()[1]
        gateway_refuses(stage.t, *base, "--tcp", str(port),
                        saying=[f"port {port}", "is in use"])
    # A failed start removes the socket it had made already.
    other = stage.path("other.sock")
    gateway_refuses(stage.t, *base, "--unix", other, "--unix", stage.socket)
    assert not os.path.exists(other)
    stage.end_gateway()


def private(stage):
    """Mode 0600 whatever the umask, also where a stale one is replaced."""
    for mask in 0, 0o022, 0o077:
        before = os.umask(mask)
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.bind(stage.socket)
            stage.start_gateway()
        finally:
            os.umask(before)
        mode = os.stat(stage.socket).st_mode & 0o7777
        assert mode == 0o600, oct(mode)
        stage.end_gateway()


def handed_over(stage):
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(stage.socket)
        s.listen()
        code = ("import os, sys\n"
                "os.dup2(int(sys.argv[1]), 3)\n"
                "os.set_inheritable(3, True)\n"
                "os.environ.update(LISTEN_FDS='1',"
                " LISTEN_PID=str(os.getpid()))\n"
                "os.execvp(sys.argv[2], sys.argv[2:])\n")
        process = stage.t.start(
            "/usr/bin/python3", "-c", code, s.fileno(), "pullback-gateway",
            "--routes", stage.routes, pass_fds=[s.fileno()])
        run("nbdinfo", "--size", stage.uri())
        process.terminate()
        assert process.wait(30) == 0
    # It belongs to whoever made it.
    os.unlink(stage.socket)


def warning(stage):
    """Of the port that is off loopback, and of no other."""
    stage.start_gateway("--tcp", "0.0.0.0:0", "--tcp", "0")
    wait_until(lambda: "listening on [::1]" in stage.log(), 30,
               "no word of the last port")
    stage.end_gateway()
    lines = [line for line in stage.log().splitlines() if "warning" in line]
    assert len(lines) == 1 and "not encrypted" in lines[0], lines


def too_many(stage):
    """Of one client, all of them busy or not idle for long."""
    stage.start_gateway()
    clients = []

    def again():
        client = None
        try:
            client = stage.raw()
            client.go()
        except (EOFError, ConnectionError):
            if client is not None:
                client.close()
            return False
        clients.append(client)
        return True

    while len(clients) < 128:
        assert again(), len(clients)
    # Where all that took long the first ones would have to make room.
    for client in clients:
        client.request(0, 0, 512)
    for client in clients:
        assert client.simple_reply() == (0, 1)
        client.get(512)
    assert not again(), "no limit on connections"
    clients.pop(0).close()
    wait_until(again, 30, "no free place")
    rss = status_kib(stage.gateway.pid, "VmRSS")
    stage.t.say(f"{len(clients)} connections: {rss} KiB")
    if "ASAN_OPTIONS" not in os.environ:
        assert rss < 24 * 1024, f"{rss} KiB"
    for client in clients:
        client.close()
    stage.end_gateway()


def too_few_files(stage):
    """accept fails for lack of descriptors; later it works again."""
    stage.start_gateway(files="12:12")
    held = []
    for _ in range(20):
        s = socket.socket(socket.AF_UNIX)
        s.connect(stage.socket)
        held.append(s)
    assert stage.gateway.poll() is None
    for s in held:
        s.close()
    run("nbdinfo", "--size", stage.uri())
    stage.end_gateway()


def test(t):
    need_programs("nbdkit", "nbdinfo")
    stage = Stage(t)
    stage.make_disk(8 * MIB)
    stage.start_upstream()
    stage.write_routes()
    for number in signal.SIGTERM, signal.SIGINT:
        stage.start_gateway()
        ends_cleanly(stage, number)
    stale_and_live(stage)
    private(stage)
    handed_over(stage)
    warning(stage)
    too_many(stage)
    too_few_files(stage)


main(test)
