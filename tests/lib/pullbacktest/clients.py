# SPDX-License-Identifier: LGPL-2.1-or-later
"""NBD clients, and comparing what they got."""

import os
import subprocess

from .outcome import Failed

MIB = 1 << 20
GIB = 1 << 30
TIB = 1 << 40


def run(*command, timeout=120, check=True, stdin=None, env=None):
    """Runs a program; Failed with its words when it fails."""
    command = [str(word) for word in command]
    try:
        done = subprocess.run(
            command, stdin=stdin or subprocess.DEVNULL, env=env,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout,
            text=True, errors="replace")
    except subprocess.TimeoutExpired:
        raise Failed(f"{' '.join(command)}: not done in {timeout} s")
    if check and done.returncode != 0:
        raise Failed(f"{' '.join(command)}: exit status {done.returncode}: "
                     f"{done.stderr.strip() or done.stdout.strip()}")
    return done


def nbdcopy(source, target, *options, timeout=300):
    return run("nbdcopy", *options, source, target, timeout=timeout)


def compare(one, two):
    """The offset of the first difference, or None.  Sizes must match."""
    size = os.stat(one).st_size
    if size != os.stat(two).st_size:
        return min(size, os.stat(two).st_size)
    step = 1 << 20
    with open(one, "rb") as a, open(two, "rb") as b:
        for offset in range(0, size, step):
            x, y = a.read(step), b.read(step)
            if x != y:
                return offset + next(
                    i for i in range(min(len(x), len(y))) if x[i] != y[i])
    return None


def differences(one, two, granule=65536):
    """How many granules differ, and the first ones."""
    found = []
    with open(one, "rb") as a, open(two, "rb") as b:
        offset = 0
        while True:
            x, y = a.read(granule), b.read(granule)
            if not x and not y:
                return found
            if x != y:
                found.append(offset)
            offset += granule


def same(one, two, what):
    """Fails unless both files have the same bytes."""
    offset = compare(one, two)
    if offset is not None:
        wrong = differences(one, two)
        raise Failed(f"{what}: differs first at byte {offset}; "
                     f"{len(wrong)} granules of 64 KiB differ: "
                     f"{[hex(o) for o in wrong[:8]]}")


def open_nbd(uri, contexts=()):
    import nbd
    handle = nbd.NBD()
    for context in contexts:
        handle.add_meta_context(context)
    handle.connect_uri(uri)
    return handle


def _coalesce(entries):
    merged = []
    for offset, length, flags in entries:
        if merged and merged[-1][2] == flags \
                and merged[-1][0] + merged[-1][1] == offset:
            merged[-1][1] += length
        else:
            merged.append([offset, length, flags])
    return [tuple(entry) for entry in merged]


def extents(uri, context, ask=1 << 30):
    """The whole map of one context: [(offset, length, flags)], coalesced."""
    handle = open_nbd(uri, [context])
    if not handle.can_meta_context(context):
        raise Failed(f"{uri} has no context {context}")
    size, offset, found = handle.get_size(), 0, []

    def entry(name, start, entries, error):
        nonlocal offset
        if name != context:
            return
        at = start
        for length, flags in zip(entries[::2], entries[1::2]):
            found.append((at, min(length, size - at), flags))
            at += length
        offset = min(at, size)

    while offset < size:
        before = offset
        handle.block_status(min(ask, size - offset), offset, entry)
        if offset <= before:
            raise Failed(f"block status of {uri} at {before} went nowhere")
    handle.shutdown()
    return _coalesce(found)


def dirty_map(uri, context):
    """[(offset, length)] of what the context calls dirty."""
    return [(o, n) for o, n, flags in extents(uri, context) if flags & 1]


def data_map(uri):
    """[(offset, length)] of what is data by base:allocation."""
    return [(o, n) for o, n, flags in extents(uri, "base:allocation")
            if not flags & 1]


def patch(uri, ranges, path):
    """Writes these ranges of the export into the file; bytes written."""
    handle, total = open_nbd(uri), 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        for offset, length in ranges:
            while length > 0:
                step = min(length, 4 << 20)
                os.pwrite(descriptor, handle.pread(step, offset), offset)
                offset, length, total = (offset + step, length - step,
                                         total + step)
    finally:
        os.close(descriptor)
        handle.shutdown()
    return total


def pull_dirty(disk, path):
    """Brings a copy of the previous backup up to date, as a client does that
    knows dirty bitmaps.  DISK is one of backup-begin's disks."""
    return patch(disk["uri"], dirty_map(disk["uri"], disk["context"]), path)


def pull_dirty_export(disk, path):
    """The same for a client that does not: what vda@dirty calls data."""
    return patch(disk["uri-dirty"], data_map(disk["uri-dirty"]), path)
