#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The view reads an image that it has inherited as a descriptor: the same one
whatever has become of its path, with O_DIRECT if it is open so; and it refuses
another file, one that is not readable, and a descriptor that is not open."""

import os

from pullbacktest import main
from pullbacktest.fleece import GRANULE, write_store
from pullbacktest.nbdserver import nbdkit, refused

SIZE = 5 * GRANULE + 512

def identity(path):
    st = os.stat(path)
    return "file:%x:%d" % (st.st_dev, st.st_ino)


def parameters(folder, fd, what):
    return ("role=view", "fleece=" + folder, "disk=vda", "direct-fd=%d" % fd,
            "direct-id=" + what)


def flags_of(pid, image):
    """Those of each descriptor that process PID has open on IMAGE."""
    found = []
    for name in os.listdir("/proc/%d/fd" % pid):
        try:
            if os.readlink("/proc/%d/fd/%s" % (pid, name)).startswith(image):
                with open("/proc/%d/fdinfo/%s" % (pid, name)) as f:
                    found += [int(line.split()[1], 8) for line in f
                              if line.startswith("flags:")]
        except FileNotFoundError:
            pass                # was a connection's, and has been closed
    return found


def check(t, folder, more):
    image = os.path.join(folder, "image")
    frozen = t.random.randbytes(SIZE)
    with open(image, "wb") as f:
        f.write(frozen)
    write_store(folder, "vda", SIZE)
    fd = os.open(image, os.O_RDONLY | os.O_NONBLOCK | more)
    what = identity(image)
    os.rename(image, image + ".moved")
    with open(image, "wb") as f:
        f.write(t.random.randbytes(SIZE))
    for _ in range(2):          # the second is one that was started anew
        server = nbdkit(t, os.path.join(folder, "sock"),
                        *parameters(folder, fd, what), inherit=(fd,))
        flags = flags_of(server.pid, image)
        assert len(flags) == 1, flags
        assert flags[0] & os.O_DIRECT == more, oct(flags[0])
        assert flags[0] & os.O_NONBLOCK == 0, oct(flags[0])
        assert flags[0] & os.O_CLOEXEC != 0, oct(flags[0])
        h = server.connect("vda")
        assert h.pread(SIZE, 0) == frozen
        assert h.pread(1000, 777) == frozen[777:1777]
        h.shutdown()
        server.end()
        os.unlink(os.path.join(folder, "sock"))
    os.close(fd)


def refuses(folder, flags, what, says):
    fd = os.open(os.path.join(folder, "image"), flags)
    said = refused(*parameters(folder, fd, what), inherit=(fd,))
    assert says in said, said
    os.close(fd)


def test(t):
    folder = t.folder_below("/var/tmp")
    check(t, folder, 0)
    check(t, folder, os.O_DIRECT)
    right = identity(os.path.join(folder, "image"))
    other = identity(os.path.join(folder, "image.moved"))
    refuses(folder, os.O_RDONLY, other, "but should be")
    refuses(folder, os.O_WRONLY, right, "not open for reading")
    refuses(folder, os.O_PATH, right, "not open for reading")
    said = refused(*parameters(folder, 99, right))
    assert "descriptor 99" in said, said
    r, w = os.pipe()
    said = refused(*parameters(folder, r, right), inherit=(r,))
    assert "neither a file nor a block device" in said, said


main(test)
