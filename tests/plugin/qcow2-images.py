#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: sanitizers
"""The view reads qcow2 images itself: random images of every combination of
options, alone and in chains, have the bytes that qemu-img convert finds, and
the holes that QEMU's NBD server tells. The relay is there only where
something is compressed. SECONDS=600 goes on for so long."""

import os
import time

from pullbacktest import extents, main, run
from pullbacktest.fleece import write_store
from pullbacktest.nbdserver import NbdServer, nbdkit

SECTOR = 512
# Clusters of 512 bytes cannot have subclusters; of 2 MiB few are enough.
CLUSTERS = (512, 1024, 4096, 16384, 65536, 65536, 262144, 2 << 20)


class Image:
    """A file of a chain; BELOW is the next one, or None."""

    def __init__(self, path, format, size, below=None, options=""):
        self.path, self.format, self.size = path, format, size
        self.below, self.options, self.data = below, options, None
        self.does_compress = False

    def words(self):
        """As the plugin is told of the chain."""
        words = [f"{self.format}:{self.path}"]
        if self.data:
            words.append("data:" + self.data)
        return words + (self.below.words() if self.below else [])


def some_size(rnd, cluster):
    """Mostly odd: no whole clusters."""
    most = min(40 << 20, max(256 << 10, cluster * 300))
    return rnd.randrange(1, most // SECTOR) * SECTOR


def some_options(rnd, below):
    """Of qemu-img create, and whether there is a data file."""
    cluster = rnd.choice(CLUSTERS)
    words = [f"cluster_size={cluster}"]
    if rnd.random() < 0.2:
        return cluster, words + ["compat=0.10"], None
    words += ["compat=1.1", f"refcount_bits={rnd.choice((1, 8, 16, 64))}",
              f"lazy_refcounts={rnd.choice(('on', 'off'))}"]
    extended = cluster >= 16384 and rnd.random() < 0.5
    if extended:
        words.append("extended_l2=on")
    data = None
    if rnd.random() < 0.2:
        data = "raw" if not below and rnd.random() < 0.5 else "plain"
        words.append("data_file_raw=" + ("on" if data == "raw" else "off"))
    elif rnd.random() < 0.3:
        words.append("compression_type=zstd")
    if data != "raw" and (not below or extended) and rnd.random() < 0.15:
        words.append("preallocation=metadata")
    return cluster, words, data


def make_raw(rnd, path, size):
    with open(path, "wb") as f:
        f.truncate(size)
        for _ in range(rnd.randrange(6)):
            at = rnd.randrange(size)
            f.seek(at)
            f.write(rnd.randbytes(min(size - at, rnd.randrange(1, 1 << 18))))
    return Image(path, "raw", size)


def make_qcow2(rnd, path, below, compress):
    cluster, words, data = some_options(rnd, below)
    size = some_size(rnd, cluster)
    if below and rnd.random() < 0.3:
        size = max(SECTOR, below.size // SECTOR * SECTOR)
    image = Image(path, "qcow2", size, below, " ".join(words))
    image.does_compress = compress and not data
    if data:
        image.data = path + ".data"
        words.append("data_file=" + image.data)
    backing = ("-b", below.path, "-F", below.format) if below else ()
    run("qemu-img", "create", "-q", "-f", "qcow2", "-o", ",".join(words),
        *backing, path, str(size))
    return image, cluster


def some_commands(rnd, image, cluster, count):
    """Of qemu-io."""
    for _ in range(count):
        what = rnd.random()
        at = rnd.randrange(image.size // SECTOR) * SECTOR
        n = min(image.size - at, SECTOR * rnd.randrange(
            1, max(2, min(cluster * 6, 4 << 20) // SECTOR)))
        if what < 0.5:
            yield f"write -P {rnd.randrange(1, 256)} {at} {n}"
        elif what < 0.6:
            yield f"write -z {at} {n}"
        elif what < 0.7:
            yield f"write -z -u {at} {n}"
        elif what < 0.8:
            yield f"discard {at} {n}"
        elif image.does_compress:
            at -= at % cluster
            n = min(image.size - at, cluster)
            yield f"write -c -P {rnd.randrange(1, 256)} {at} {n}"


def change(rnd, image, cluster):
    count = rnd.randrange(1, 25)
    command = ["qemu-io", "-d", rnd.choice(("unmap", "ignore")),
               "-f", "qcow2"]
    for one in some_commands(rnd, image, cluster, count):
        command += ["-c", one]
    # A cluster that has data already cannot be written compressed.
    run(*command, image.path, check=False)


def take_snapshots(rnd, image, cluster):
    """Made, loaded and deleted."""
    for _ in range(rnd.randrange(1, 6)):
        run("qemu-img", "snapshot", rnd.choice(("-c", "-c", "-a", "-d")),
            rnd.choice("abc"), image.path,
            check=False)        # not of that name, or with refcounts of 1 bit
        if rnd.random() < 0.7:
            change(rnd, image, cluster)


def make_chain(rnd, folder, compress):
    depth = rnd.choice((1, 1, 2, 2, 3, 4))
    image = None
    for i in range(depth):
        path = os.path.join(folder, f"i{i}")
        if i == 0 and depth > 1 and rnd.random() < 0.4:
            image = make_raw(rnd, path, rnd.randrange(1, 8 << 20))
            continue
        image, cluster = make_qcow2(rnd, path, image, compress)
        change(rnd, image, cluster)
        if not image.data and rnd.random() < 0.4:
            take_snapshots(rnd, image, cluster)
    return image


def told(image):
    chain = []
    while image:
        chain.append(f"{image.format} {image.size} {image.options}")
        image = image.below
    return " <- ".join(chain)


def compare_bytes(view, image, folder):
    want = os.path.join(folder, "want")
    run("qemu-img", "convert", "-f", image.format, "-O", "raw", image.path,
        want)
    with open(want, "rb") as f:
        frozen = f.read()[:image.size]
    got, step = [], 3 << 20
    for at in range(0, image.size, step):
        got.append(view.pread(min(step, image.size - at), at))
    got = b"".join(got)
    if got != frozen:
        at = next(i for i in range(image.size) if got[i] != frozen[i])
        raise AssertionError(f"differs at {at}: {got[at]} for {frozen[at]}")
    return frozen


def read_anywhere(rnd, view, frozen):
    for _ in range(20):
        at = rnd.randrange(len(frozen))
        n = min(len(frozen) - at, rnd.choice((1, 511, 4096, 65536, 1 << 20)))
        assert view.pread(n, at) == frozen[at:at + n], (at, n)


def compare_extents(view, live):
    """Cluster by cluster: which are holes. QEMU's other flag is not told."""
    def holes(handle):
        merged = []
        for at, n, flags in extents(handle):
            hole = flags & 2
            if merged and merged[-1][2] == hole:
                merged[-1][1] += n
            else:
                merged.append([at, n, hole])
        return merged
    got, want = holes(view), holes(live)
    wrong = [pair for pair in zip(got, want) if pair[0] != pair[1]]
    assert not wrong and len(got) == len(want), (wrong[:4], len(got), len(want))


def serve(t, folder, image):
    socket = os.path.join(folder, "qemu")
    return NbdServer(t, ["qemu-nbd", "-r", "-t", "-e", "8", "-f", image.format,
                         "-x", "live", "-k", socket, image.path], socket)


def by_descriptors(t, words, flags):
    """As the daemon tells of the chain, and what is to be inherited."""
    told, inherited = [], []
    for word in words:
        form, path = word.split(":")
        inherited.append(os.open(path, os.O_RDONLY | flags))
        t.defer(os.close, inherited[-1])
        st = os.stat(path)
        told.append(f"{form}:{inherited[-1]}:file:{st.st_dev:x}:{st.st_ino}")
    return "chain=" + ",".join(told), inherited


def start(t, folder, image, relay):
    """Reading a chain by paths or descriptors, with O_DIRECT or without."""
    direct, words, inherited = t.random.random() < 0.5, image.words(), ()
    if t.random.random() < 0.5:
        chain, inherited = by_descriptors(t, words, os.O_DIRECT * direct)
        chain = [chain]
    else:
        chain = ["chain-path=" + ",".join(words),
                 "direct-io=" + ("yes" if direct else "no")]
    return nbdkit(t, os.path.join(folder, "s"), "role=view",
                  "fleece=" + folder, "disk=vda", *chain, *relay,
                  inherit=inherited)


def compare(t, folder, image, compressed):
    write_store(folder, "vda", image.size)
    live = serve(t, folder, image)
    relay = ["relay=" + live.uri("live")]
    server = start(t, folder, image,
                   relay[:compressed])
    view = server.connect("vda", "base:allocation")
    frozen = compare_bytes(view, image, folder)
    read_anywhere(t.random, view, frozen)
    compare_extents(view, live.connect("live", "base:allocation"))
    assert "is not what its image has" not in server.said(), server.said()
    server.end()
    live.end()
    for name in os.listdir(folder):
        os.unlink(os.path.join(folder, name))


def random_chain(t, folder, number):
    compressed = t.random.random() < 0.4
    image = make_chain(t.random, folder, compressed)
    t.say(f"{number}: {told(image)}{' compressed' * compressed}")
    compare(t, folder, image, compressed)


def short_middle(t, folder):
    """Where a backing file ends there are zeros, and not what is below it."""
    image = Image(os.path.join(folder, "raw"), "raw", 2 << 20)
    with open(image.path, "wb") as f:
        f.write(b"x" * image.size)
    for name, size in (("middle", 1 << 19), ("top", 2 << 20)):
        above = Image(os.path.join(folder, name), "qcow2", size, image)
        run("qemu-img", "create", "-q", "-f", "qcow2", "-b", image.path, "-F",
            image.format, above.path, size)
        image = above
    compare(t, folder, image, False)


def test(t):
    end = time.monotonic() + float(os.environ.get("SECONDS", "4"))
    folder, number = t.folder_below("/var/tmp"), 0
    short_middle(t, folder)
    while number < 3 or time.monotonic() < end:
        number += 1
        random_chain(t, folder, number)


main(test)
