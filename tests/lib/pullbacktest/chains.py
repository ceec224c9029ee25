# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disks of qcow2 images of every layout that the view maps itself."""

import os

from .clients import run
from .vm import Disk

# NAME: options of qemu-img create, and how many images are below.
LAYOUTS = {
    "small": (("cluster_size=4k",), 0),
    "usual": ((), 0),
    "large": (("cluster_size=2M",), 0),
    "sub": (("extended_l2=on", "cluster_size=128k"), 0),
    "lazy": (("lazy_refcounts=on",), 0),
    "old": (("compat=0.10",), 0),
    "data": (("data_file=@",), 0),
    "rawdata": (("data_file=@", "data_file_raw=on"), 0),
    "over": ((), 2),
    "largeover": (("cluster_size=1M",), 2),
}


def _create(path, size, *words):
    run("qemu-img", "create", "-q", "-f", "qcow2", *words, path, size)


def _backing(t, name, size, depth):
    """A raw image, shorter than the disk, and over it DEPTH - 1 qcow2 images:
    all have random bytes in places."""
    path = t.path(f"{name}-0.raw")
    with open(path, "wb") as stream:
        stream.write(t.random.randbytes(size // 4))
        stream.truncate(size // 2 + 512)
    below, form = path, "raw"
    for level in range(1, depth):
        path = t.path(f"{name}-{level}.qcow2")
        _create(path, size, "-F", form, "-b", below)
        scribble(t, path, size)
        below, form = path, "qcow2"
    return below, form


def scribble(t, path, size):
    """Some data, zeros and holes."""
    words = []
    for _ in range(40):
        length = t.random.randrange(1, 256) * 512
        offset = t.random.randrange((size - length) // 512) * 512
        what = t.random.choice(["-P 17", "-P 171", "-z", "-z -u"])
        words += ["-c", f"write {what} {offset} {length}"]
    run("qemu-io", "-f", "qcow2", *words, path)


def chain(t, layout, size, name=None, **more):
    """A Disk called NAME of that layout with something in it."""
    name = name or layout
    options, depth = LAYOUTS[layout]
    path = t.path(f"{name}.qcow2")
    words = []
    for option in options:
        words += ["-o", option.replace("@", t.path(f"{name}.data"))]
    if depth:
        below, form = _backing(t, name, size, depth)
        words += ["-F", form, "-b", below]
    if not os.path.exists(path):
        _create(path, size, *words)
        scribble(t, path, size)
    return Disk(name, "qcow2", size, path=path, **more)
