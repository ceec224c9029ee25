#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Chains of images that cannot be read are refused at the start, with a
sentence that names the image and says why."""

import os
import shutil

from pullbacktest import main, run
from pullbacktest.chains import create_encrypted
from pullbacktest.fleece import write_store
from pullbacktest.nbdserver import refused

SIZE = 1 << 20


def create(folder, name, *options, size=SIZE):
    path = os.path.join(folder, name)
    run("qemu-img", "create", "-q", "-f", "qcow2", *options, path, size)
    return path


def changed(path, at, number):
    """A copy with one of its bytes another."""
    shutil.copy(path, path + ".changed")
    with open(path + ".changed", "r+b") as f:
        f.seek(at)
        f.write(bytes([number]))
    return path + ".changed"


def test(t):
    folder = t.folder_below("/var/tmp")
    write_store(folder, "vda", SIZE)
    plain = create(folder, "plain")
    overlay = create(folder, "overlay", "-b", plain, "-F", "qcow2")
    data = plain + ".data"
    split = create(folder, "split", "-o", "data_file=" + data)
    small = create(folder, "small", size=SIZE // 2)
    locked = create_encrypted(os.path.join(folder, "locked"), SIZE)
    raw = os.path.join(folder, "raw")
    with open(raw, "wb") as f:
        f.truncate(SIZE)

    def check(word, chain, key="chain-path"):
        said = refused("role=view", "fleece=" + folder, "disk=vda",
                       f"{key}={chain}")
        assert word in said and "vda" in said, (word, said)

    check("/locked is encrypted", "qcow2:" + locked)
    check("/raw is not a qcow2 image", "qcow2:" + raw)
    check("is marked as corrupt", "qcow2:" + changed(plain, 79, 2))
    check("features that are not known", "qcow2:" + changed(plain, 79, 64))
    check("has a backing file", "qcow2:" + overlay)
    check("524288 bytes but the disk has 1048576", "qcow2:" + small)
    check("must follow it as data:", "qcow2:" + split)
    check("cannot be a data file", f"qcow2:{plain},data:{data}")
    check("cannot be a data file", "data:" + data)
    check("image 1 of its chain is raw but not the last",
          f"raw:{raw},qcow2:{plain}")
    check("more than 200 images", ",".join(["qcow2:" + plain] * 201))
    check("\"vmdk\" is no part of a chain", "vmdk:" + plain)
    check("is no part of a chain", "qcow2:" + plain + ",")
    check("/nosuch", "qcow2:" + folder + "/nosuch")
    check("must be FORMAT:FD:ID", "qcow2:0:file:1:2", "chain")
    check("must be FORMAT:FD:ID", "qcow2:9", "chain")
    check("descriptor 99: Bad file descriptor", "qcow2:99:file:1:2", "chain")
    fd = os.open(plain, os.O_RDONLY)
    said = refused("role=view", "fleece=" + folder, "disk=vda",
                   f"chain=qcow2:{fd}:file:1:2", inherit=(fd,))
    os.close(fd)
    assert "but should be file:1:2" in said, said


main(test)
