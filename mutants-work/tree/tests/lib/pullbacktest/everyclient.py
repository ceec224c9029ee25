# SPDX-License-Identifier: LGPL-2.1-or-later
"""Stock NBD clients, each against one backup.  None of them knows of us."""

import json
import os
from urllib.parse import parse_qs, urlparse

from . import clients
from .clients import compare, run, same


def image_options(disk):
    """The disk's URI as qemu's --image-opts."""
    uri = urlparse(disk["uri"])
    if uri.scheme == "nbd+unix":
        path = parse_qs(uri.query)["socket"][0]
        server = f"server.type=unix,server.path={path}"
    else:
        server = (f"server.type=inet,server.host={uri.hostname},"
                  f"server.port={uri.port or 10809}")
    return f"driver=nbd,export={uri.path[1:]},{server}"


def root_uri(disk):
    uri = urlparse(disk["uri"])
    if uri.scheme == "nbd+unix":
        return f"nbd+unix:///?{uri.query}"
    return uri._replace(path="").geturl()


def nbdinfo_list(t, backup):
    disks = backup["disk"].values()
    text = run("nbdinfo", "--list", "--json", root_uri(next(iter(disks))))
    exports = {e["export-name"]: e
               for e in json.loads(text.stdout)["exports"]}
    for disk in disks:
        export = exports.get(disk["name"])
        if not t.check(export, f"nbdinfo --list lacks {disk['name']}"):
            continue
        t.check(export["export-size"] == disk["size"],
                f"{disk['name']}: listed size {export['export-size']}")
        t.check(export["is_read_only"], f"{disk['name']}: not read-only")
        t.check(export["can_multi_conn"], f"{disk['name']}: no multi-conn")
        t.check("base:allocation" in export["contexts"],
                f"{disk['name']}: contexts {export['contexts']}")
        if disk["mode"] == "incremental":
            t.check(disk["context"] in export["contexts"],
                    f"{disk['name']}: contexts {export['contexts']}")
            t.check(disk["name"] + "@dirty" in exports,
                    f"nbdinfo --list lacks {disk['name']}@dirty")
    run("nbdinfo", "--list", root_uri(next(iter(disks))))


def nbdinfo_maps(t, disk):
    for context in ("base:allocation", disk.get("context")):
        if context is None:
            continue            # a full backup has no dirty map
        done = run("nbdinfo", "--json", f"--map={context}", disk["uri"])
        mine = clients.extents(disk["uri"], context)
        theirs = clients.coalesce(
            (e["offset"], e["length"], e["type"])
            for e in json.loads(done.stdout))
        if context != "base:allocation":
            t.check(mine == theirs, f"nbdinfo --map={context} differs from "
                    f"libnbd's: {theirs[:4]} and {mine[:4]}")
        t.check(sum(n for _, n, _ in theirs) == disk["size"],
                f"nbdinfo --map={context} does not cover the disk")


def holes_are_zero(t, disk, reference):
    """What base:allocation calls a hole must read as zeros at the freeze."""
    with open(reference, "rb") as stream:
        for offset, length, flags in clients.extents(disk["uri"]):
            if not flags & 2:
                continue
            stream.seek(offset)
            while length > 0:
                data = stream.read(min(length, 1 << 20))
                if not t.check(not any(data.strip(b"\0")),
                               f"{disk['name']}: zero extent at {offset} "
                               "has data"):
                    return
                length -= len(data)


def copies(t, disk, reference):
    target = t.path("client.img")
    for options in (["--connections=1"], ["--connections=4"],
                    ["--connections=4", "--request-size=1048576"]):
        clients.nbdcopy(disk["uri"], target, *options)
        same(reference, target, f"nbdcopy {' '.join(options)}")
        os.unlink(target)
    run("qemu-img", "convert", "-f", "raw", "-O", "raw", disk["uri"], target)
    same(reference, target, "qemu-img convert")
    os.unlink(target)
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-m", "8", "-W",
        disk["uri"], target)
    run("qemu-img", "compare", "-f", "raw", "-F", "qcow2", reference, target)
    os.unlink(target)
    run("qemu-img", "compare", "-f", "raw", "-F", "raw", reference,
        disk["uri"])


def qemu_map(t, disk):
    if disk["mode"] != "incremental":
        return
    done = run("qemu-img", "map", "--output=json", "--image-opts",
               f"{image_options(disk)},x-dirty-bitmap={disk['context']}")
    # With x-dirty-bitmap, "data": false is qemu-img's way to say dirty.
    theirs = clients.coalesce(
        (e["start"], e["length"], 0) for e in json.loads(done.stdout)
        if not e["data"])
    mine = [(o, n, 0) for o, n in
            clients.dirty_map(disk["uri"], disk["context"])]
    t.check(theirs == mine, f"{disk['name']}: qemu-img map x-dirty-bitmap "
            f"says {theirs[:4]}, libnbd {mine[:4]}")


def qemu_io(t, disk):
    size = disk["size"]
    run("qemu-io", "-r", "-f", "raw", "-c", "read 0 64k", "-c",
        f"read {size - 512} 512", "-c", "read 1536 2m", disk["uri"])
    done = run("qemu-io", "-f", "raw", "-c", "write 0 512", disk["uri"],
               check=False)
    t.check(done.returncode != 0, "qemu-io could write to a backup")


def python_nbd(t, disk, reference):
    handle = clients.open_nbd(disk["uri"])
    size = handle.get_size()
    with open(reference, "rb") as stream:
        for _ in range(100):
            length = min(t.random.randrange(1, 300000), size)
            offset = t.random.randrange(size - length + 1)
            stream.seek(offset)
            if not t.check(handle.pread(length, offset)
                           == stream.read(length),
                           f"python nbd: {offset}+{length} differs"):
                break
    handle.shutdown()


def fio(t, disk):
    if "nbd" not in run("fio", "--enghelp").stdout.split():
        t.say("this fio has no nbd engine: left out")
        return
    done = run("fio", "--name=x", "--ioengine=nbd", f"--uri={disk['uri']}",
               "--rw=randread", "--bs=16k", "--iodepth=8", "--size=16m",
               "--output-format=json", timeout=120)
    job = json.loads(done.stdout[done.stdout.index("{"):])["jobs"][0]
    t.check(job["error"] == 0 and job["read"]["total_ios"] == 1024,
            f"fio: error {job['error']}, {job['read']['total_ios']} reads")


def all_clients(t, backup, references):
    nbdinfo_list(t, backup)
    for name, disk in backup["disk"].items():
        reference = references[name]
        nbdinfo_maps(t, disk)
        holes_are_zero(t, disk, reference)
        copies(t, disk, reference)
        qemu_map(t, disk)
        qemu_io(t, disk)
        python_nbd(t, disk, reference)
        fio(t, disk)
        t.check(compare(reference, reference) is None, "compare is broken")
