# SPDX-License-Identifier: LGPL-2.1-or-later
"""NBD clients, and comparing what they got."""

import os
import subprocess

from .outcome import Failed

MIB = 1 << 20
GIB = 1 << 30
TIB = 1 << 40


def run(*command, timeout=300, check=True, stdin=None, env=None):
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


def nbdcopy(source, target, *options, timeout=500):
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


def open_nbd(uri, contexts=(), strict=True):
    """A handle of libnbd; not STRICT: it leaves it to the server to refuse."""
    import nbd
    handle = nbd.NBD()
    if not strict:
        handle.set_strict_mode(0)
    for context in contexts:
        handle.add_meta_context(context)
    handle.connect_uri(uri)
    return handle


def fails(errno, attempt):
    """ATTEMPT must fail with this error of the server."""
    import nbd
    try:
        attempt()
    except nbd.Error as error:
        if error.errnum != errno:
            raise Failed(f"want error {errno}, got {error}")
    else:
        raise Failed(f"want error {errno}, got none")


def coalesce(entries):
    merged = []
    for offset, length, flags in entries:
        if merged and merged[-1][2] == flags \
                and merged[-1][0] + merged[-1][1] == offset:
            merged[-1][1] += length
        else:
            merged.append([offset, length, flags])
    return [tuple(entry) for entry in merged]


def extents(source, context="base:allocation", offset=0, length=None):
    """The map of one context, the whole or a part: [(offset, length, flags)],
    coalesced.  SOURCE: a URI, or a handle that asked for the context."""
    handle = open_nbd(source, [context]) if isinstance(source, str) else source
    if not handle.can_meta_context(context):
        raise Failed(f"{source} has no context {context}")
    end = handle.get_size() if length is None else offset + length
    found, entries = [], []

    def collect(name, start, words, error):
        if name == context:
            entries.extend(words)
        return 0

    while offset < end:
        entries.clear()
        before = offset
        handle.block_status(min(1 << 30, end - offset), offset, collect)
        for n, flags in zip(entries[::2], entries[1::2]):
            n = min(n, end - offset)
            found.append((offset, n, flags))
            offset += n
        if offset <= before:
            raise Failed(f"block status at {before} went nowhere")
    if handle is not source:
        handle.shutdown()
    return coalesce(entry for entry in found if entry[1])


def dirty_map(uri, context):
    """[(offset, length)] of what the context calls dirty."""
    return [(o, n) for o, n, flags in extents(uri, context) if flags & 1]


def data_map(uri):
    """[(offset, length)] of what is data by base:allocation."""
    return [(o, n) for o, n, flags in extents(uri)
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
