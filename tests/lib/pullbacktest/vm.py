# SPDX-License-Identifier: LGPL-2.1-or-later
"""A QEMU process with disks, with or without a guest in it."""

import os
import shutil
import signal
import subprocess

from . import guest
from .outcome import Failed, wait_until
from .processes import alive, end
from .qmp import Qmp, QmpError


class Disk:
    """NAME is the guest device's id, its serial, and in its node's name.
    DIRECT: cache.direct, "protocol": of the protocol node alone.  FDSET: QEMU
    gets the image as a descriptor, of the set of this number."""

    def __init__(self, name, form="raw", size=64 << 20, direct=False,
                 readonly=False, path=None, options=(), device=True,
                 driver="file", fdset=None, iothread=False, shareable=False):
        self.name = name
        self.form = form
        self.size = size
        self.direct = direct
        self.readonly = readonly
        self.path = path
        self.options = list(options)    # more -o of qemu-img create
        self.device = device            # False: a node the guest lacks
        self.driver = driver            # "host_device" for a block device
        self.fdset = fdset
        self.iothread = iothread        # of its own
        self.shareable = shareable      # with another virtual machine
        self.node = f"node-{name}"

    def create(self, folder):
        if self.path is None:
            self.path = os.path.join(folder, f"{self.name}.{self.form}")
        if not os.path.exists(self.path):
            options = [w for o in self.options for w in ("-o", o)]
            subprocess.run(["qemu-img", "create", "-q", "-f", self.form,
                            *options, self.path, str(self.size)], check=True)

    def arguments(self):
        direct = "on" if self.direct else "off"
        above = "off" if self.direct == "protocol" else direct
        readonly = "on" if self.readonly else "off"
        path = self.path.replace(",", ",,")
        if self.fdset is not None:
            path = f"/dev/fdset/{self.fdset}"
        words = ["-blockdev",
                 f"driver={self.form},node-name={self.node},discard=unmap,"
                 f"read-only={readonly},cache.direct={above},"
                 f"file.driver={self.driver},file.node-name=file-{self.name},"
                 f"file.filename={path},file.discard=unmap,"
                 f"file.cache.direct={direct}"]
        if self.device:
            words += ["-device", f"virtio-blk-pci,id={self.name},"
                      f"serial={self.name},drive={self.node}"]
        if self.shareable:
            words[-1] += ",share-rw=on"
        if self.iothread:
            words[-1] += f",iothread=io-{self.name}"
            words += ["-object", f"iothread,id=io-{self.name}"]
        return words


class VM:
    """boot=False: no guest, the virtual processor never runs.  REBOOTS: the
    guest may reset its machine, which else ends QEMU.  ROOT: the disk, of make_root, that
    has the guest's system."""

    count = 0
    inherit = ()                        # more descriptors that QEMU gets
    incoming = False                    # the guest comes by migration

    def __init__(self, context, disks, boot=True, more=(), name=None,
                 agent=False, reboots=False, root=None):
        VM.count += 1
        self.context = context
        self.name = name or f"v{VM.count}"
        self.disks = {disk.name: disk for disk in disks}
        self.boot = boot
        self.more = list(more) if reboots else ["-no-reboot", *more]
        self.process = self.qmp = self.guest = None
        # A monitor serves one client: one for the daemon, one for the test.
        self.qmp_path = context.path(f"{self.name}.qmp")
        self.test_path = context.path(f"{self.name}.test")
        self.root = root
        self.agent = agent              # run the guest agent
        self.agent_path = context.path(f"{self.name}.agent")
        self.port_path = context.path(f"{self.name}.port")
        self.log_path = context.path(f"{self.name}-qemu.log")
        context.defer(self.end)
        self.start()

    def start(self):
        for disk in self.disks.values():
            disk.create(self.context.folder)
        command = ["qemu-system-x86_64", "-nodefaults", "-no-user-config",
                   "-display", "none", "-smp", "1",
                   "-qmp", f"unix:{self.qmp_path},server=on,wait=off",
                   "-qmp", f"unix:{self.test_path},server=on,wait=off"]
        if self.boot:
            command += ["-M", f"q35,accel={guest.accelerator()}",
                        "-cpu", "max", "-m", "256",
                        "-chardev", f"file,id=console,path={self.log_path}"
                        ".console,append=on", "-serial", "chardev:console"]
            command += guest.boot_arguments(
                guest.image(self.agent),
                f"root-disk={self.root}" if self.root else "")
            command += guest.port_arguments(self.port_path)
            if self.agent:
                command += guest.agent_arguments(self.agent_path)
        else:
            command += ["-M", "q35,accel=tcg", "-m", "32", "-S"]
        passed = []
        for disk in self.disks.values():
            command += disk.arguments()
            if disk.fdset is not None:
                more = os.O_DIRECT if disk.direct else 0
                passed.append(os.open(disk.path, os.O_RDWR | more))
                command += ["-add-fd", f"fd={passed[-1]},set={disk.fdset}"]
        with open(self.log_path, "a") as log:
            self.process = subprocess.Popen(
                command + self.more, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, pass_fds=[*passed, *self.inherit])
        for fd in passed:
            os.close(fd)
        try:
            self.qmp = Qmp(self.test_path)
        except (OSError, EOFError):
            with open(self.log_path) as log:
                raise Failed(f"QEMU did not start: {log.read()}")
        if self.boot and not self.incoming:
            self.meet_guest()

    def meet_guest(self):
        """Waits for one that boots, again where it was reset."""
        self.guest = guest.Guest(self.port_path, self.pid)

    @property
    def pid(self):
        return self.process.pid

    def pause(self):
        """Stops the guest.  QEMU drains and flushes all disks doing so."""
        self.qmp("stop")

    def resume(self):
        self.qmp("cont")

    def quit(self):
        try:
            self.qmp("quit")
        except (EOFError, OSError):
            pass
        self._gone()

    def kill9(self):
        self.process.send_signal(signal.SIGKILL)
        self._gone()

    def _gone(self):
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            raise Failed("QEMU does not end")
        self.close()

    def close(self):
        for link in (self.qmp, self.guest):
            if link:
                link.close()
        self.qmp = self.guest = None

    def end(self):
        self.close()
        if self.process:
            end(self.process, 10)

    def alive(self):
        return alive(self.pid)

    def reference_copy(self, disk, path):
        """The disk's bytes, as a raw file.  The VM must be paused: that
        flushed the format's tables into the image, so that another process
        may read it (tests/qemu/reference-is-right.py shows it)."""
        disk = self.disks[disk] if isinstance(disk, str) else disk
        status = self.qmp("query-status")
        if status["running"]:
            raise Failed("a reference needs a paused VM")
        subprocess.run(["qemu-img", "convert", "-U", "-f", disk.form, "-O",
                        "raw", disk.path, path], check=True)
        return path

    def state(self):
        """What a backup must leave as it was, to be compared."""
        nodes, bitmaps = [], {}
        for node in self.qmp("query-named-block-nodes"):
            name = node["node-name"]
            nodes.append((name if not name.startswith("#") else "#",
                          node["drv"]))
            for bitmap in node.get("dirty-bitmaps", []):
                bitmaps.setdefault(name, []).append(
                    (bitmap.get("name"), bitmap["recording"],
                     bitmap["persistent"], bitmap["busy"],
                     bitmap.get("inconsistent", False)))
        return {"jobs": self.qmp("query-jobs"),
                "block-jobs": self.qmp("query-block-jobs"),
                "exports": self.qmp("query-block-exports"),
                "nodes": sorted(nodes),
                "bitmaps": {k: sorted(v, key=str)
                            for k, v in bitmaps.items()},
                "nbd-server": self.nbd_server_runs()}

    def nbd_server_runs(self):
        path = self.context.path("n")
        try:
            self.qmp("nbd-server-start",
                     addr={"type": "unix", "data": {"path": path}})
        except QmpError:
            return True
        self.qmp("nbd-server-stop")
        if os.path.exists(path):
            os.unlink(path)
        return False

    def serve(self, disk, socket):
        """QEMU's own server shows DISK at SOCKET, where it may be written as a
        guest would.  The URI."""
        self.qmp("nbd-server-start",
                 addr={"type": "unix", "data": {"path": socket}})
        self.qmp("block-export-add", type="nbd", id="e", writable=True,
                 node_name=disk.node, name="live")
        return f"nbd+unix:///live?socket={socket}"

    def assert_clean(self, before, bitmaps=None):
        """As BEFORE.  BITMAPS: {node: [(name, recording)]} that may now be
        there besides; None: bitmaps must be the same too."""
        want = dict(before)
        if bitmaps is not None:
            want.pop("bitmaps")

        def differences():
            now = self.state()
            found = [f"{key}: was {value}, is {now[key]}"
                     for key, value in want.items() if now[key] != value]
            for node, names in (bitmaps or {}).items():
                have = sorted((b[0], b[1]) for b in
                              now["bitmaps"].get(node, []))
                if have != sorted(names):
                    found.append(f"bitmaps of {node}: want {sorted(names)},"
                                 f" have {have}")
            return found

        # The reply to commit comes when it is done, so no waiting here.
        found = differences()
        if found:
            raise Failed("QEMU is not as before: " + "; ".join(found))

    def free_disk_lock(self):
        """For tests that look at the image after QEMU was killed."""
        wait_until(lambda: not self.alive(), 10, "QEMU still runs")

    def copy_disk(self, disk, path):
        shutil.copyfile(self.disks[disk].path, path)
