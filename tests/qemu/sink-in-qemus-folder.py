#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""QEMU reaches sockets in a folder of its own alone: the sink's is there, nobody but QEMU
may use it, and whatever dies, or is taken away, nothing stays there."""

import os
import pwd
import shutil
import subprocess

from pullbacktest import (MIB, VM, Daemon, Disk, Skip, freeze, kill, main, nbdcopy,
                          pull_dirty, same, wait_until)
from pullbacktest.nbdserver import listens

CONNECT = """
import os, socket, sys
os.setgid({gid}); os.setuid({uid})
link = socket.socket(socket.AF_UNIX)
link.settimeout(10)
link.connect(sys.argv[1])
print(link.recv(8))
"""


def socket_in(folder):
    name, = os.listdir(folder)
    return os.path.join(folder, name)


def may_nobody_else(t, user, path):
    """Another process of QEMU's user is not served."""
    done = subprocess.run(
        ["python3", "-c", CONNECT.format(uid=user.pw_uid, gid=user.pw_gid),
         path], capture_output=True, text=True, timeout=30)
    t.check(done.stdout.strip() in ("", "b''"), f"served: {done}")


def write(vm, pattern):
    vm.qmp.hmp("qemu-io -d /machine/peripheral/vda/virtio-backend "
               f"\"write -P {pattern} 1M 1M\"")


def whole(t, vm, daemon, folder, user):
    backup, references = freeze(t, vm, daemon, "--checkpoint", "mon")
    path = socket_in(folder)
    st = os.lstat(path)
    t.check((st.st_uid, st.st_mode & 0o777) == (user.pw_uid, 0o600), f"{st}")
    t.check(not os.path.exists(f"{daemon.runtime}/vm1/qemu") and
            not os.path.exists(f"{daemon.runtime}/vm1/sink.sock"),
            "there is something for QEMU in the runtime folder")
    may_nobody_else(t, user, path)
    write(vm, 1)
    nbdcopy(backup["disk"]["vda"]["uri"], t.path("copy"))
    same(references["vda"], t.path("copy"), "the full")
    daemon.commit()
    t.check(os.listdir(folder) == [], f"left: {os.listdir(folder)}")


def daemon_dies(t, vm, daemon, folder):
    """Alone, and with the sink, for which there is another at once."""
    backup, references = freeze(t, vm, daemon, "--incremental", "mon")
    for roles in ((), ("sink",)):
        pids = [daemon.processes()[role] for role in roles]
        daemon.kill9()
        for pid in pids:
            kill(pid)
        daemon.start()
        write(vm, 2 + len(roles))
    pull_dirty(backup["disk"]["vda"], t.path("copy"))
    same(references["vda"], t.path("copy"), "the incremental")
    # The folder's owner takes it away, and what is in its place is not ours.
    path = socket_in(folder)
    os.unlink(path)
    os.symlink("/etc/passwd", path)
    daemon.abort()
    t.check(os.listdir(folder) == [], f"left: {os.listdir(folder)}")


def begin_dies(t, vm, daemon, folder):
    """In the midst of the begin: the next daemon undoes it."""
    daemon.terminate()
    daemon.env["PULLBACK_STOP_AFTER"] = "attach-sink"
    daemon.start()
    daemon.pullback("backup-begin", "vm1", check=False)
    daemon.process.wait(timeout=60)
    t.check(len(os.listdir(folder)) == 1, f"{os.listdir(folder)}")
    del daemon.env["PULLBACK_STOP_AFTER"]
    daemon.start()
    daemon.wait_ended("aborted: ")
    t.check(os.listdir(folder) == [], f"left: {os.listdir(folder)}")


def another_comes(t, daemon, folder, user):
    """Somebody puts a server of his own in the socket's place."""
    fake, pause = t.path("fake"), daemon.env["PULLBACK_PAUSE"]
    server = t.start("nbdkit", "-f", "-U", fake, "null", "8M")
    wait_until(lambda: listens(fake), 20, "nbdkit does not listen")
    os.chown(fake, user.pw_uid, user.pw_gid)
    with open(pause, "w") as stream:
        stream.write("sink")
    begin = t.start("pullback", "--socket", daemon.socket, "backup-begin",
                    "vm1", stderr=subprocess.PIPE, text=True)
    wait_until(lambda: os.path.exists(pause + ".paused"), 20, "no pause")
    os.rename(fake, socket_in(folder))
    os.unlink(pause + ".paused")
    said = begin.communicate(timeout=60)[1]
    t.check(begin.returncode != 0 and folder in said and
            "not connected to our socket" in said, f"said: {said}")
    server.terminate()
    server.wait(timeout=60)
    t.check(os.listdir(folder) == [], f"left: {os.listdir(folder)}")


def test(t):
    if os.geteuid() != 0:
        raise Skip("needs root, to have a QEMU of another user")
    user = pwd.getpwnam("nobody")
    folder = t.path("theirs")
    os.mkdir(folder, 0o750)
    os.chown(folder, user.pw_uid, user.pw_gid)
    vm = VM(t, [Disk("vda", "qcow2", 8 * MIB)], boot=False,
            more=["-runas", "nobody"])
    before = vm.state()
    daemon = Daemon(t, env={"PULLBACK_QEMU_FOLDER": folder,
                            "PULLBACK_PAUSE": t.path("pause")})
    daemon.add(vm)
    whole(t, vm, daemon, folder, user)
    daemon_dies(t, vm, daemon, folder)
    begin_dies(t, vm, daemon, folder)
    another_comes(t, daemon, folder, user)
    daemon.cli("checkpoint-delete", "vm1", "mon")
    vm.assert_clean(before)
    os.chmod(folder, 0o777)
    daemon.refuses("backup-begin", "vm1", saying=(folder, "may write to it"))
    os.chmod(folder, 0o750)
    t.check("cannot remove" not in daemon.log_text(), "what was not made is removed")
    # libvirt takes the folder away when the virtual machine ends.
    daemon.begin()
    vm.kill9()
    shutil.rmtree(folder)
    daemon.wait_ended("qemu-exited: ")
    t.check("cannot remove" not in daemon.log_text(), daemon.log_text())
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
