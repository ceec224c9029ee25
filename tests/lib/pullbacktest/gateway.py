# SPDX-License-Identifier: LGPL-2.1-or-later
"""pullback-gateway in front of a real upstream server (nbdkit's file plugin,
one export per file; the allocation of the sparse file vda@dirty is the dirty
map)."""

import json
import os
import random
import subprocess

from .clients import MIB, run
from .nbdserver import NbdServer, listens
from .outcome import need, wait_until
from .processes import end
from .rawnbd import RawClient
from .refusal import check_refusal

DIRTY = "qemu:dirty-bitmap:backup-vda"


def gateway_refuses(t, *words, saying=()):
    """It must end with status 1 and one sentence that names these things."""
    done = run("pullback-gateway", *words, check=False, timeout=90)
    done.stderr = "".join(line for line in done.stderr.splitlines(True)
                          if "listening on" not in line)
    sentence = check_refusal(t, done, saying, [1])
    t.check(sentence.startswith("pullback-gateway: error: "), sentence)


def sparse(path, size, pieces, rng):
    """A file of SIZE bytes with random data at PIECES [(offset, length)]."""
    with open(path, "wb") as f:
        f.truncate(size)
        for offset, length in pieces:
            f.seek(offset)
            f.write(rng.randbytes(length))


class Stage:
    """A folder with images, upstream server and gateway; leaves nothing."""

    def __init__(self, t):
        self.t = t
        self.folder = (t.folder_below("/dev/shm")
                       if os.access("/dev/shm", os.W_OK) else t.folder)
        self.images = self.path("images")
        os.mkdir(self.images)
        self.view = self.path("view.sock")
        self.socket = self.path("front.sock")
        self.routes = self.path("routes.json")
        self.log_path = self.path("gateway.log")
        self.upstream = self.gateway = None

    def path(self, name):
        return os.path.join(self.folder, name)

    def image(self, name="vda"):
        return os.path.join(self.images, name)

    def content(self, name="vda"):
        with open(self.image(name), "rb") as f:
            return f.read()

    def make_disk(self, size=16 * MIB, name="vda"):
        """A disk with holes, and a dirty map that is a part of it."""
        rng = random.Random(1)
        sparse(self.image(name), size,
               [(MIB, 2 * MIB), (5 * MIB, 65536), (size - 65536, 65536)], rng)
        sparse(self.image(name + "@dirty"), size,
               [(MIB + 65536, 131072), (5 * MIB, 65536)], rng)

    def start_upstream(self, *extra):
        if os.path.exists(self.view):
            os.unlink(self.view)
        self.upstream = NbdServer(
            self.t, ["nbdkit", "-f", "-U", self.view, "file",
                     f"dir={self.images}", *extra], self.view)

    def write_routes(self, names=("vda",)):
        exports = []
        for name in names:
            exports.append({
                "name": name, "upstream": name,
                "description": f"disk {name}",
                "contexts": [{"name": f"qemu:dirty-bitmap:backup-{name}",
                              "upstream": f"{name}@dirty"}]})
            exports.append({"name": f"{name}@dirty",
                            "upstream": f"{name}@dirty",
                            "description": "", "contexts": []})
        with open(self.routes, "w", encoding="utf-8") as f:
            json.dump({"upstream": self.view, "exports": exports}, f)

    def start_gateway(self, *extra, files=None):
        """FILES: "SOFT:HARD", the limit of open files."""
        limit = ["prlimit", f"--nofile={files}"] if files else []
        with open(self.log_path, "wb") as log:
            self.gateway = subprocess.Popen(
                [*limit, "pullback-gateway", "--routes", self.routes, "--unix",
                 self.socket, *extra], stdin=subprocess.DEVNULL, stderr=log)
        self.t.defer(self.end_gateway)

        def up():
            need(self.gateway.poll() is None, f"it ended: {self.log()}")
            return listens(self.socket)
        wait_until(up, 30, "the gateway does not listen")

    def start(self, *extra):
        self.make_disk()
        self.start_upstream()
        self.write_routes()
        self.start_gateway(*extra)

    def log(self):
        with open(self.log_path, encoding="utf-8") as f:
            return f.read()

    def tcp_port(self):
        def told():
            return [int(line.rsplit(":", 1)[1])
                    for line in self.log().splitlines()
                    if "listening on 127.0.0.1:" in line]
        return wait_until(told, 30, "no word of a TCP port")[0]

    def end_gateway(self):
        """It must be alive, end well and leave nothing."""
        if self.gateway is not None:
            early = self.gateway.poll()
            need(early is None, f"the gateway died: {early}: {self.log()}")
            self.gateway.terminate()
            self.wait_for_the_end()

    def wait_for_the_end(self):
        """It has been told to end."""
        process, self.gateway = self.gateway, None
        try:
            process.wait(60)
        finally:
            end(process, 0)
        need(process.returncode == 0,
             f"status {process.returncode}: {self.log()}")
        need(not os.path.exists(self.socket), "its socket is still there")

    def uri(self, export="vda"):
        return f"nbd+unix:///{export}?socket={self.socket}"

    def raw(self):
        """A client; its connection is closed at the end at the latest."""
        client = RawClient.unix(self.socket)
        self.t.defer(client.close)
        return client

    def map(self, context, export="vda", uri=None):
        text = run("nbdinfo", "--json", f"--map={context}",
                   uri or self.uri(export)).stdout
        return [(e["offset"], e["length"], e["type"])
                for e in json.loads(text)]
