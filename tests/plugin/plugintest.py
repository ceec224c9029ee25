# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the plugin's behaviour tests share: fleece stores made by hand, and an
nbdkit that is started, waited for and ended."""

import atexit
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

GRANULE = 65536
HEADER = 4096
SKIP = 77

PLUGIN = os.environ.get("PULLBACK_PLUGIN")
if not PLUGIN or not os.path.exists(PLUGIN):
    sys.exit("PULLBACK_PLUGIN is not set; use ./run")


def skip(why):
    print("SKIP: " + why)
    sys.exit(SKIP)


def scratch(base=None):
    """A folder that goes away at the end."""
    path = tempfile.mkdtemp(prefix="pullback-test-", dir=base)
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def seeded():
    seed = int(os.environ.get("SEED", random.randrange(1 << 30)))
    print("SEED=%d" % seed, flush=True)
    return random.Random(seed)


def write_map(path, size, granules=(), granule=GRANULE, state=0, reason=0):
    """A granule map file with GRANULES set."""
    words = ((size + granule - 1) // granule + 63) // 64
    with open(path, "wb") as f:
        f.write(struct.pack("<8sIIQIIi", b"PULLBKGM", 1, 0, size, granule,
                            state, reason))
        f.truncate(HEADER + words * 8)
        bits = {}
        for g in granules:
            bits[g // 64] = bits.get(g // 64, 0) | 1 << (g % 64)
        for word, value in bits.items():
            f.seek(HEADER + word * 8)
            f.write(struct.pack("<Q", value))


def read_map(path):
    """(granules that are set, state, reason)"""
    with open(path, "rb") as f:
        data = f.read()
    magic, version, features, size, granule, state, reason = \
        struct.unpack_from("<8sIIQIIi", data)
    assert magic == b"PULLBKGM" and version == 1 and features == 0
    granules = set()
    for w in range((len(data) - HEADER) // 8):
        value, = struct.unpack_from("<Q", data, HEADER + w * 8)
        granules |= {w * 64 + i for i in range(64) if value >> i & 1}
    return granules, state, reason


def write_store(folder, disk, size, present=None, maps=None):
    """An empty store, or one that holds PRESENT: {granule: bytes or None};
    None is a granule of zeros that takes no space."""
    present = present or {}
    with open(os.path.join(folder, disk + ".data"), "wb") as f:
        f.truncate(size)
        for g, data in present.items():
            if data is not None:
                f.seek(g * GRANULE)
                f.write(data)
    write_map(os.path.join(maps or folder, disk + ".present"), size, present)


def set_broken(folder, disk, reason=28):
    with open(os.path.join(folder, disk + ".present"), "r+b") as f:
        f.seek(28)
        f.write(struct.pack("<Ii", 1, reason))


def wait_for(condition, what, seconds=15):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            sys.exit("timed out waiting for " + what)
        time.sleep(0.01)


# Any nbdkit, with any plugin, hangs in p11-kit's destructor at exit when the
# address sanitizer is preloaded.  Then its end is not checked.
HANGS_AT_EXIT = bool(os.environ.get("PULLBACK_PLUGIN_PRELOAD"))


def end(process):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(1 if HANGS_AT_EXIT else 10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            if HANGS_AT_EXIT:
                return
            print("%s did not end at SIGTERM" % process.args[0])
            leftovers.append(process)


leftovers = []


# Registered first, so it runs last, when all is cleaned up.
@atexit.register
def fail_for_leftovers():
    if leftovers:
        sys.stdout.flush()
        os._exit(1)


def hang_up(h):
    import nbd
    try:
        h.shutdown()
    except nbd.Error:
        pass                    # it is gone already


def accepts(path):
    import socket
    s = socket.socket(socket.AF_UNIX)
    try:
        s.connect(path)
        return True
    except OSError:
        return False
    finally:
        s.close()


handles = []


class Server:
    """A process that serves NBD on a socket of its own."""

    def __init__(self, command, socket, env=None, inherit=()):
        self.socket = socket
        self.process = subprocess.Popen(command, env=env, pass_fds=inherit,
                                        stderr=subprocess.PIPE)
        atexit.register(self.end)

        def up():
            if self.process.poll() is not None:
                sys.exit("%s: %s" % (command[0],
                                     self.process.stderr.read().decode()))
            return os.path.exists(socket) and accepts(socket)
        wait_for(up, command[0])

    def uri(self, export):
        return "nbd+unix:///%s?socket=%s" % (export, self.socket)

    def end(self):
        # nbdkit waits for its clients.
        for socket, h in handles:
            if socket == self.socket:
                hang_up(h)
        handles[:] = [(s, h) for s, h in handles if s != self.socket]
        end(self.process)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def plugin_env(env=None):
    env = dict(os.environ if env is None else env)
    if env.get("PULLBACK_PLUGIN_PRELOAD"):
        env["LD_PRELOAD"] = env["PULLBACK_PLUGIN_PRELOAD"]
    return env


def nbdkit(socket, *parameters, options=(), env=None, inherit=()):
    return Server(["nbdkit", "-f", "-U", socket, "--exit-with-parent",
                   *options, PLUGIN, *parameters], socket, plugin_env(env),
                  inherit)


def refused(*parameters, inherit=()):
    """Starts nbdkit, which must refuse; returns what it said."""
    p = subprocess.Popen(["nbdkit", "-f", "-U", "-", "--exit-with-parent",
                          PLUGIN, *parameters], env=plugin_env(),
                         pass_fds=inherit, stderr=subprocess.PIPE)
    try:
        said = p.communicate(timeout=1 if HANGS_AT_EXIT else 20)[1]
        assert p.returncode != 0, "nbdkit accepted %r" % (parameters,)
    except subprocess.TimeoutExpired:
        p.kill()
        said = p.communicate()[1]
        assert HANGS_AT_EXIT, "nbdkit accepted %r" % (parameters,)
    return said.decode()


def connect(uri, *contexts):
    import nbd
    h = nbd.NBD()
    h.set_strict_mode(0)
    for context in contexts:
        h.add_meta_context(context)
    h.connect_uri(uri)
    handles.append((uri.partition("socket=")[2], h))
    return h


def fails(errno_, attempt):
    """ATTEMPT must fail with this error of the server."""
    import nbd
    try:
        attempt()
    except nbd.Error as e:
        assert e.errnum == errno_, e
    else:
        raise AssertionError("no error")


def extents(h, offset=0, length=None, context="base:allocation"):
    """All extents as [offset, length, flags], equal neighbours merged."""
    end_ = h.get_size() if length is None else offset + length
    result = []
    while offset < end_:
        got = []

        def collect(name, at, entries, error):
            if name == context:
                got.extend(entries)
            return 0
        h.block_status(min(end_ - offset, 1 << 31), offset, collect)
        assert len(got) >= 2, "no progress at %d" % offset
        for n, flags in zip(got[0::2], got[1::2]):
            n = min(n, end_ - offset)
            if n == 0:
                break
            if result and result[-1][2] == flags:
                result[-1][1] += n
            else:
                result.append([offset, n, flags])
            offset += n
    return result
