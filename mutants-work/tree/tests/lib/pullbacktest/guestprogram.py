# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs of this machine in a guest with Debian's own kernel, for what
depends on the kernel or needs devices that a test must not make here.

    output = run_in_guest(t, SCRIPT, programs=["nbdkit"], modules=["dm-crypt"])

The guest's only file system is made for the test: busybox, the programs with
their libraries, and what FILES names.  SCRIPT is for busybox's sh, as root, in
/test, with /proc, /sys, /dev, /tmp and /run in place."""

import os
import re
import shutil
import subprocess

from . import guest
from .outcome import Failed, Skip

INIT = """#!/bin/sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2>/dev/null
mount -t tmpfs tmp /tmp
mount -t tmpfs run /run
export PATH=/bin:/usr/bin LC_ALL=C
while read -r module; do
    insmod "/modules/$module" || echo "cannot load $module"
done </modules/order
cd /test
# The console's driver adds carriage returns unless told not to.
stty -F /dev/ttyS0 -opost
(sh -e ./script; echo "$?" >/run/status) >/dev/ttyS0 2>&1 </dev/null
echo "ended with status $(cat /run/status)" >/dev/ttyS0
sync
poweroff -f
"""


def run_in_guest(context, script, programs=(), modules=(), files=None,
                 disks=(), memory=768, deadline=240):
    """What SCRIPT printed; fails if it does not end with status 0 within
    DEADLINE seconds.  PROGRAMS: names or paths, found here, in /bin there; a
    shared object counts as one.  MODULES: of the kernel, loaded with what they
    need in this order.  FILES: {path there: path here}.  DISKS: raw images, in
    the guest /dev/vda and on."""
    if os.environ.get("PULLBACK_PLUGIN_PRELOAD"):
        raise Skip("a sanitizer's run time is not taken into a guest")
    folder = guest.kernel()
    root = context.path("guest-root")
    _make_root(root, script)
    _copy_modules(root, os.path.join(folder, "modules"),
                  [*(("virtio_pci", "virtio_blk") if disks else ()), *modules])
    for program in programs:
        _copy_program(root, program)
    for there, here in (files or {}).items():
        _copy(root, here, there)
    initramfs = _pack(root, context.path("guest-initramfs"))
    return _run(context, folder, initramfs, disks, memory, deadline)


def _make_root(root, script):
    for name in ("bin", "dev", "proc", "sys", "tmp", "run", "etc", "test",
                 "modules", "mnt", "usr/bin", "lib64"):
        os.makedirs(os.path.join(root, name))
    os.symlink("bin", os.path.join(root, "sbin"))
    _copy(root, shutil.which("busybox"), "/bin/busybox")
    os.symlink("busybox", os.path.join(root, "bin", "sh"))
    for name, text in (("init", INIT), ("test/script", script)):
        path = os.path.join(root, name)
        with open(path, "w") as stream:
            stream.write(text)
        os.chmod(path, 0o755)


def _copy(root, here, there):
    path = root + there
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if not os.path.exists(path):
        shutil.copy(here, path)


def _copy_program(root, program):
    """The program and the libraries that it is linked with."""
    path = shutil.which(program) or program
    _copy(root, path, "/bin/" + os.path.basename(path))
    linked = subprocess.run(["ldd", path], capture_output=True, text=True)
    for word in linked.stdout.split():
        if word.startswith("/"):
            _copy(root, word, word)


def _copy_modules(root, folder, wanted):
    """Into /modules, and the order to load them in."""
    found = {}
    for top, _, names in os.walk(folder):
        found.update((_module_name(name), os.path.join(top, name))
                     for name in names if name.endswith(".ko"))
    with open(os.path.join(folder, "modules.builtin")) as stream:
        builtin = {_module_name(line.strip()) for line in stream}
    order = []

    def add(name):
        if name in builtin:
            return
        if name not in found:
            raise Skip(f"the guest's kernel has no module {name}")
        with open(found[name], "rb") as stream:
            depends = re.search(rb"\0depends=([^\0]+)\0", stream.read())
        for other in depends[1].decode().split(",") if depends else ():
            add(_module_name(other))
        if name not in order:
            order.append(name)

    for name in wanted:
        add(_module_name(name))
    for name in order:
        _copy(root, found[name], f"/modules/{name}")
    with open(os.path.join(root, "modules", "order"), "w") as stream:
        stream.writelines(name + "\n" for name in order)


def _module_name(path):
    return os.path.basename(path).split(".")[0].replace("-", "_")


def _pack(root, path):
    names = subprocess.run(["find", "."], cwd=root, check=True,
                           capture_output=True)
    # Not compressed: unpacking costs more than reading when QEMU emulates.
    with open(path, "wb") as stream:
        subprocess.run(["cpio", "-o", "-H", "newc", "-R", "0:0", "--quiet"],
                       input=names.stdout, stdout=stream, cwd=root, check=True)
    return path


def _run(context, folder, initramfs, disks, memory, deadline):
    console = context.path("guest-console.log")
    command = ["qemu-system-x86_64", "-nodefaults", "-no-user-config",
               "-display", "none", "-no-reboot", "-smp", "1",
               "-M", f"q35,accel={guest.accelerator()}", "-cpu", "max",
               "-m", str(memory),
               "-kernel", os.path.join(folder, "vmlinuz"),
               "-initrd", initramfs,
               "-append", "console=ttyS0 quiet panic=-1 rdinit=/init",
               "-chardev", f"file,id=console,path={console}",
               "-serial", "chardev:console"]
    for disk in disks:
        path = disk.replace(",", ",,")
        command += ["-drive", f"if=virtio,format=raw,file={path},"
                    "cache=unsafe,discard=unmap"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        process.wait(timeout=deadline)
        late = ""
    except subprocess.TimeoutExpired:
        late = f" within {deadline} s"
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    with open(console, errors="replace") as stream:
        output = stream.read()
    if late or "\nended with status 0\n" not in "\n" + output:
        raise Failed(f"the program in the guest did not end well{late}")
    return output
