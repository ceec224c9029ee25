# SPDX-License-Identifier: LGPL-2.1-or-later
"""The guest image, how to run it fast, and the line it is driven by."""

import fcntl
import os
import socket
import subprocess
import time

from .outcome import Failed
from .processes import alive

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCES = os.path.normpath(os.path.join(HERE, "..", "..", "guest"))


def _folder(variant):
    build = os.environ.get("PULLBACK_BUILDDIR")
    cache = os.environ.get("XDG_CACHE_HOME",
                           os.path.expanduser("~/.cache"))
    folder = os.environ.get("PULLBACK_GUEST_DIR") or (
        os.path.join(build, "tests", "guest-image") if build
        else os.path.join(cache, "pullback-guest", "image"))
    return os.path.join(folder, variant)


def _built(variant, last):
    """The folder of VARIANT, built where its LAST file is older than the
    sources."""
    folder = _folder(variant)
    os.makedirs(folder, exist_ok=True)
    made = os.path.join(folder, last)
    with open(os.path.join(folder, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        newest = max(os.stat(os.path.join(SOURCES, name)).st_mtime
                     for name in os.listdir(SOURCES))
        if not os.path.exists(made) or os.stat(made).st_mtime < newest:
            subprocess.run([os.path.join(SOURCES, "build-guest"), folder]
                           + ([variant] if variant else []),
                           check=True, stdin=subprocess.DEVNULL)
            os.utime(made)
    return folder


def image(agent=False):
    """The folder with vmlinuz and initramfs, built when that is needed.
    AGENT: the variant that has the QEMU guest agent in it."""
    return _built("agent" if agent else "", "initramfs")


def kernel():
    """The folder with vmlinuz and all its modules."""
    return _built("kernel", "vmlinuz")


def apparmor():
    """The folder with what the packages apparmor and libvirt-daemon-system have."""
    return os.path.join(_built("apparmor", "files"), "files")


def boot_arguments(folder, more=""):
    return ["-kernel", os.path.join(folder, "vmlinuz"),
            "-initrd", os.path.join(folder, "initramfs"),
            # A busy machine's timers do not pass the kernel's test of them.
            "-append", f"console=ttyS0 quiet panic=-1 no_timer_check {more}"]


def make_root(path, size, folder):
    """An image of an ext4 file system with the guest's system, for VM (root=...); in its
    /work works what is told "fswork".  FOLDER: a new one, for its files."""
    os.makedirs(os.path.join(folder, "work"))
    with open(os.path.join(image(), "initramfs"), "rb") as stream:
        subprocess.run(["cpio", "-i", "-d", "--quiet"], stdin=stream,
                       cwd=folder, check=True)
    with open(path, "wb") as stream:
        stream.truncate(size)
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-d", folder, path],
                   stdin=subprocess.DEVNULL, check=True)


def accelerator():
    """kvm only if a guest was seen to come up with it: /dev/kvm may open and
    the guest still hang."""
    if os.environ.get("PULLBACK_ACCEL"):
        return os.environ["PULLBACK_ACCEL"]
    folder = image()
    with open("/proc/sys/kernel/random/boot_id") as stream:
        boot = stream.read().strip()
    verdict = os.path.join(folder, "accel")
    with open(os.path.join(folder, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.exists(verdict):
            with open(verdict) as stream:
                words = stream.read().split()
            if len(words) == 2 and words[0] == boot:
                return words[1]
        answer = "kvm" if _kvm_works(folder) else "tcg"
        with open(verdict, "w") as stream:
            stream.write(f"{boot} {answer}\n")
    return answer


def _kvm_works(folder):
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    path = os.path.join(folder, "probe.sock")
    process = subprocess.Popen(
        ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display",
         "none", "-M", "q35,accel=kvm", "-cpu", "max", "-m", "256"]
        + boot_arguments(folder) + port_arguments(path),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL)
    try:
        Guest(path, process.pid, 6)
        return True
    except (Failed, OSError, EOFError):
        return False
    finally:
        process.kill()
        process.wait()
        if os.path.exists(path):
            os.unlink(path)


def port_arguments(path):
    return ["-device", "virtio-serial-pci",
            "-chardev", f"socket,id=guest,path={path},server=on,wait=off",
            "-device", "virtserialport,chardev=guest,name=pullback"]


def agent_arguments(path):
    """The agent's port, beside the one of port_arguments."""
    return ["-chardev", f"socket,id=agent,path={path},server=on,wait=off",
            "-device", "virtserialport,chardev=agent,"
            "name=org.qemu.guest_agent.0"]


class Guest:
    """One line to the guest, one line back.  BOOTS: it says a line first."""

    def __init__(self, path, pid, deadline=400.0, boots=True):
        self.socket = socket.socket(socket.AF_UNIX)
        self.buffer = b""
        end = time.monotonic() + deadline
        while True:
            try:
                self.socket.connect(path)
                break
            except (FileNotFoundError, ConnectionRefusedError):
                if not alive(pid):
                    raise Failed("QEMU ended before the guest came up")
                if time.monotonic() > end:
                    raise Failed("QEMU did not open the guest's port")
                time.sleep(0.01)
        if boots:
            self.receive(deadline)

    def send(self, line):
        self.socket.sendall(line.encode() + b"\n")

    def receive(self, deadline=300.0):
        """The answer as a dictionary of its key=value words."""
        self.socket.settimeout(deadline)
        while b"\n" not in self.buffer:
            try:
                data = self.socket.recv(4096)
            except (TimeoutError, socket.timeout):
                raise Failed(f"the guest gave no answer in {deadline:g} s")
            if not data:
                raise Failed("the guest is gone")
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        text = line.decode()
        if not text.startswith("ok"):
            raise Failed(f"guest: {text}")
        return {key: int(value) for key, _, value in
                (word.partition("=") for word in text.split()[1:]) if value}

    def __call__(self, line, deadline=300.0):
        self.send(line)
        return self.receive(deadline)

    def close(self):
        self.socket.close()
