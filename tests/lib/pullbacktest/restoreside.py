# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is written back: nbdkit in the role of restore, or qemu-storage-daemon, and a
gateway in front of it whose exports are writable."""

import contextlib
import json
import os
import stat
import subprocess

from .clients import run
from .fleece import read_map, write_map
from .gateway import Stage
from .nbdserver import NbdServer, nbdkit
from .outcome import Skip


def identity(path):
    st = os.stat(path)
    if stat.S_ISBLK(st.st_mode):
        return f"block:{st.st_rdev:x}"
    return f"file:{st.st_dev:x}:{st.st_ino}"


def restore_plugin(t, socket, targets, options=(), more=()):
    """TARGETS: {name: path of a raw image or block device}.  MORE: parameters of
    filters."""
    files, words = [], ["role=restore"]
    for name, path in targets.items():
        files.append(os.open(path, os.O_RDWR))
        words += [f"disk={name}", f"target-fd={files[-1]}",
                  "target-id=" + identity(path)]
    try:
        return nbdkit(t, socket, *words, *more, inherit=files,
                      options=options)
    finally:
        for file in files:
            os.close(file)


# With which the daemon starts qemu-storage-daemon.
STORAGE_VARIABLES = {"MALLOC_MMAP_THRESHOLD_": "4194304",
                     "MALLOC_TRIM_THRESHOLD_": "67108864"}


def storage_daemon(t, socket, targets, form, variables=None):
    """The writable exports of qemu-storage-daemon, of images of the format FORM."""
    words = ["qemu-storage-daemon"]
    for name, path in targets.items():
        words += ["--blockdev", f"driver=file,node-name=file-{name},filename={path},"
                  "discard=unmap", "--blockdev",
                  f"driver={form},node-name={name},file=file-{name},discard=unmap"]
    words += ["--nbd-server", f"addr.type=unix,addr.path={socket}"]
    for name in targets:
        words += ["--export", f"type=nbd,id=export-{name},node-name={name},"
                  f"name={name},writable=on"]
    return NbdServer(t, words, socket,
                     env={**os.environ, **(variables or {})})


@contextlib.contextmanager
def loop_device(path):
    """A block device that is PATH."""
    if os.geteuid() != 0:
        raise Skip("needs root for a loop device")
    device = run("losetup", "--find", "--show", path).stdout.strip()
    try:
        yield device
    finally:
        subprocess.run(["losetup", "-d", device], check=True)


class WriteStage(Stage):
    """TARGETS: {name: path}, raw images."""

    def start_writable(self, targets, *extra, server=None, readonly=()):
        """SERVER: the socket of another server that has them.  READONLY: names of
        exports that are not writable."""
        if server is None:
            self.upstream = restore_plugin(self.t, self.view, targets,
                                           options=("-t", "4"))
        self.write_maps(targets)
        self.write_writable_routes(targets, server, readonly)
        self.start_gateway("--written", self.folder, *extra)

    def write_maps(self, targets):
        for name, path in targets.items():
            info = json.loads(run("qemu-img", "info", "-U", "--output=json",
                                  path).stdout)
            raw = info["format"] == "raw"
            with open(path, "rb") as f:
                size = f.seek(0, 2) if raw else info["virtual-size"]
            write_map(self.path(name + ".written"), size)

    def write_writable_routes(self, targets, server=None, readonly=()):
        exports = [{"name": name, "upstream": name, "description": "",
                    "contexts": [], "writable": name not in readonly,
                    "server": server or self.view} for name in targets]
        with open(self.routes, "w", encoding="utf-8") as f:
            json.dump({"upstream": self.view, "exports": exports}, f)

    def written(self, name="vda"):
        """The granules that may have been written."""
        return read_map(self.path(name + ".written"))[0]
