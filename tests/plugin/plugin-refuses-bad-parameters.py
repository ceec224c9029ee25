#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Bad parameters and damaged files are refused at the start with a sentence
that names the thing."""

import os

from pullbacktest import main
from pullbacktest.fleece import GRANULE, write_map, write_store
from pullbacktest.nbdserver import refused

SIZE = 4 * GRANULE


def check(want, *parameters):
    said = refused(*parameters)
    assert want in said, (want, said)
    assert said.count("\n") <= 2, said


def bad_parameters(folder, fleece, view):
    check("role= must be the first", fleece)
    check("role=other", "role=other")
    check("fleece=FOLDER is required", "role=sink", "disk=vda")
    check("disk=a@b", "role=sink", fleece, "disk=a@b")
    check("disk=vda is given twice", "role=sink", fleece, "disk=vda",
          "disk=vda")
    check("disk vdz", "role=sink", fleece, "disk=vdz")
    check("disk vda in /nonexistent", "role=sink", "fleece=/nonexistent",
          "disk=vda")
    check("disk vda needs one of", *view[:3])
    check("/nonexistent", *view[:3], "direct=/nonexistent")
    check("neither a file nor", *view[:3], "direct=/dev/null")
    check("neither a file nor", *view[:3], "direct=" + folder)
    check("dirty map mon of disk vda", *view, "bitmap=mon")
    write_map(os.path.join(folder, "vda@mon.dirty"), SIZE + 512)
    check("another size", *view, "bitmap=mon")
    write_store(folder, "big", SIZE + 512)
    check("right image", "role=view", fleece, "disk=big", view[-1])


def damaged_files(folder, fleece, view):
    present = os.path.join(folder, "vda.present")
    for damage in (0, 100, 4096, 4100):
        write_store(folder, "vda", SIZE)
        os.truncate(present, damage)
        check("disk vda", *view)
        check("disk vda", "role=sink", fleece, "disk=vda")
    for at, value in ((0, b"X"), (8, b"\2"), (12, b"\1"), (16, b"\xff" * 8),
                      (24, b"\0\0\0\0")):
        write_store(folder, "vda", SIZE)
        with open(present, "r+b") as f:
            f.seek(at)
            f.write(value)
        check("disk vda", *view)
    write_store(folder, "vda", SIZE)
    os.truncate(os.path.join(folder, "vda.data"), SIZE - 1)
    check("disk vda", "role=sink", fleece, "disk=vda")


def test(t):
    folder = t.folder_below("/var/tmp")
    image = os.path.join(folder, "image")
    with open(image, "wb") as f:
        f.truncate(SIZE)
    write_store(folder, "vda", SIZE)
    fleece = "fleece=" + folder
    view = ["role=view", fleece, "disk=vda", "direct=" + image]
    bad_parameters(folder, fleece, view)
    damaged_files(folder, fleece, view)


main(test)
