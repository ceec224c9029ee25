#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Bad parameters and damaged files are refused at the start with a sentence
that names the thing."""

import os

import plugintest as t

folder = t.scratch("/var/tmp")
image = os.path.join(folder, "image")
size = 4 * t.GRANULE
with open(image, "wb") as f:
    f.truncate(size)
t.write_store(folder, "vda", size)
fleece = "fleece=" + folder
view = ["role=view", fleece, "disk=vda", "direct=" + image]


def check(want, *parameters):
    said = t.refused(*parameters)
    assert want in said, (want, said)
    assert said.count("\n") <= 2, said


check("role= must be the first", fleece)
check("role=other", "role=other")
check("fleece=FOLDER is required", "role=sink", "disk=vda")
check("disk=a@b", "role=sink", fleece, "disk=a@b")
check("disk=vda is given twice", "role=sink", fleece, "disk=vda", "disk=vda")
check("disk vdz", "role=sink", fleece, "disk=vdz")
check("disk vda in /nonexistent", "role=sink", "fleece=/nonexistent",
      "disk=vda")
check("disk vda needs one of", *view[:3])
check("/nonexistent", *view[:3], "direct=/nonexistent")
check("neither a file nor", *view[:3], "direct=/dev/null")
check("neither a file nor", *view[:3], "direct=" + folder)
check("dirty map mon of disk vda", *view, "bitmap=mon")
t.write_map(os.path.join(folder, "vda@mon.dirty"), size + 512)
check("another size", *view, "bitmap=mon")
t.write_store(folder, "big", size + 512)
check("right image", "role=view", fleece, "disk=big", "direct=" + image)

present = os.path.join(folder, "vda.present")
for damage in (0, 100, 4096, 4100):
    t.write_store(folder, "vda", size)
    os.truncate(present, damage)
    check("disk vda", *view)
    check("disk vda", "role=sink", fleece, "disk=vda")
for at, value in ((0, b"X"), (8, b"\2"), (12, b"\1"), (16, b"\xff" * 8),
                  (24, b"\0\0\0\0")):
    t.write_store(folder, "vda", size)
    with open(present, "r+b") as f:
        f.seek(at)
        f.write(value)
    check("disk vda", *view)
t.write_store(folder, "vda", size)
os.truncate(os.path.join(folder, "vda.data"), size - 1)
check("disk vda", "role=sink", fleece, "disk=vda")
