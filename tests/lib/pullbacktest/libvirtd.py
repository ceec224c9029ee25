# SPDX-License-Identifier: LGPL-2.1-or-later
"""A real libvirtd in namespaces of its own, and virtual machines that it runs: what
virsh does to a VM, and what libvirt does on its own."""

import json
import os
import shutil
import signal
import subprocess
import time
import uuid
import xml.sax.saxutils

from . import guest
from .clients import run
from .outcome import Failed, Skip, need, need_programs, wait_until
from .processes import alive
from .qmp import Qmp, QmpError
from .vm import VM

# Where libvirtd keeps what is to be this one's own.  It writes into /etc/libvirt, too.
OWN = "/run /etc/libvirt /var/lib/libvirt /var/log/libvirt"
# What it found out about QEMU takes it seconds; it sees by itself when that is too old.
CACHE = os.path.join("tests", "libvirt-cache")
START = """
set -e
echo $$ >"$2/inside"
hostname "$1"
ip link set lo up
for folder in {own}; do
    mkdir -p "$folder"
    mount -t tmpfs -o mode=755 tmpfs "$folder"
done
mkdir -p "$3" "$4" "$2/m" /var/cache/libvirt
mount --bind "$2/m" "$4"
mount --bind "$3" /var/cache/libvirt
cp "$2/qemu.conf" /etc/libvirt/
# A machine may have one that hangs whoever uses it.  Were it there and of no use, libvirtd
# would ask QEMU anew what it can do whenever it wants to know.
: >"$2/kvm"
test ! -e /dev/kvm || {{
    mount --bind "$2/kvm" /dev/kvm
    mount -o remount,bind,ro /dev/kvm
}}
# Else it asks who knows the host's name, and waits for nobody.
echo "127.0.0.1 $1" >"$2/hosts"
mount --bind "$2/hosts" /etc/hosts
: >"$2/resolv.conf"
mount --bind "$2/resolv.conf" "$(readlink -f /etc/resolv.conf)"
while umount -R /sys/fs/cgroup 2>/dev/null; do :; done
# The user that it wants to exist, though none of its QEMUs is to be his.
for file in passwd:x:64055:64055::/:/bin/false group:x:64055:; do
    {{ cat "/etc/${{file%%:*}}"; echo "libvirt-qemu:${{file#*:}}"; }} \
        >"$2/${{file%%:*}}"
    mount --bind "$2/${{file%%:*}}" "/etc/${{file%%:*}}"
done
trap 'kill $(cat "$2/pid") $virtlogd; exit 0' TERM
virtlogd &
virtlogd=$!
while :; do
    libvirtd --config "$2/libvirtd.conf" &
    echo $! >"$2/new" && mv "$2/new" "$2/pid"
    wait $! || :
    while test ! -e "$2/again"; do sleep 0.05; done
    rm "$2/again"
done
""".format(own=OWN)

# QEMUs are orphans, which libvirtd takes for alive until somebody has waited for them.
REAPER = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)         # PR_SET_CHILD_SUBREAPER
child = os.fork()
if child == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
while os.wait()[0] != child:
    pass
"""

# Without what would need a whole system: guards, cgroups.
QEMU_CONF = """
user = "{user}"
group = "{user}"
dynamic_ownership = {ownership}
security_driver = "none"
namespaces = []
"""
QEMU_UID = 64055                # Debian's


class Libvirtd:
    """NAME: the host's.  Folders of the test are the same there as here.  MORE: lines of
    libvirtd.conf.  AS_DEBIAN: its QEMUs are a user's of their own, who is given their images."""

    def __init__(self, t, name="here", more="", as_debian=False):
        need_programs("libvirtd", "virsh")
        if os.geteuid() != 0:
            raise Skip("only root can run a libvirtd beside the machine's own")
        self.t = t
        self.folder = t.path(f"lv-{name}")
        os.mkdir(self.folder)
        self.uid = QEMU_UID if as_debian else 0
        os.mkdir(f"{self.folder}/m")
        os.chown(f"{self.folder}/m", self.uid, self.uid)
        self._write("qemu.conf", QEMU_CONF.format(
            user="libvirt-qemu" if as_debian else "root",
            ownership=int(as_debian)))
        self._write("libvirtd.conf", f"""
unix_sock_dir = "{self.folder}"
auth_unix_rw = "none"
host_uuid = "{uuid.uuid4()}"
log_outputs = "1:file:{self.folder}/libvirtd.log"
{more}
""")
        self.socket = f"{self.folder}/libvirt-sock"
        self.uri = f"qemu:///system?socket={self.socket}"
        with open(f"{self.folder}/start.log", "wb") as log:
            self.process = t.start(
                "python3", "-c", REAPER, "unshare", "--mount", "--net", "--uts", "--propagation",
                "private", "sh", "-c", START, "sh", name, self.folder,
                os.path.join(os.environ["PULLBACK_BUILDDIR"], CACHE), t.path("m"),
                stdout=log, stderr=log)
        wait_until(self._answers, 60, "libvirtd does not answer")

    def _write(self, name, text):
        with open(f"{self.folder}/{name}", "w") as stream:
            stream.write(text)

    def _answers(self):
        if self.process.poll() is not None:
            with open(f"{self.folder}/start.log") as log:
                raise Failed(f"libvirtd ended: {log.read()[-2000:]}")
        return os.path.exists(self.socket) and \
            self.virsh("list", check=False).returncode == 0

    def virsh(self, *words, check=True, timeout=300):
        done = run("virsh", "--quiet", "-c", self.uri, *words, check=False,
                   timeout=timeout)
        if check and done.returncode != 0:
            raise Failed(f"virsh {' '.join(map(str, words))}: {done.stderr}")
        return done


    def _read(self, name):
        with open(f"{self.folder}/{name}") as stream:
            return stream.read().strip()

    def inside(self, path):
        """By which it is found here."""
        return f"/proc/{self._read('inside')}/root{path}"

    @property
    def within(self):
        """Words before a command that is to see its files."""
        return ["nsenter", "--mount", "--target", self._read("inside")]

    @property
    def pid_folder(self):
        """Where its QEMUs' numbers are."""
        return self.inside("/run/libvirt/qemu")

    @property
    def pid(self):
        return int(self._read("pid"))

    def kill9(self):
        """start_again () after that."""
        pid = self.pid
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not alive(pid), 10, "libvirtd does not end")

    def start_again(self):
        with open(f"{self.folder}/again", "w"):
            pass
        wait_until(self._answers, 60, "libvirtd does not answer again")

    def begin(self, *words):
        return self.t.start("virsh", "--quiet", "-c", self.uri, *words)


class VirshQmp:
    """QMP by virsh, as Qmp has it, but for events."""

    def __init__(self, libvirtd, name):
        self.libvirtd, self.name = libvirtd, name

    def __call__(self, command, arguments=None, **more):
        arguments = dict(arguments or {})
        arguments.update((k.replace("_", "-"), v) for k, v in more.items())
        request = json.dumps({"execute": command, "arguments": arguments})
        reply = json.loads(self.libvirtd.virsh("qemu-monitor-command",
                                               self.name, request).stdout)
        if "error" in reply:
            raise QmpError(command, reply["error"])
        return reply["return"]

    def close(self):
        pass


class Domain(VM):
    """One that LIBVIRTD runs, with a monitor for the daemon and another for the
    test beside libvirt's own; ORDINARY: as anybody's, with no other than that.
    BOOT: with a guest; else it stays paused.  DRIVES: empty ones for CDs."""

    def __init__(self, libvirtd, disks, name="vm1", ordinary=False, boot=True,
                 agent=False, drives=()):
        self.first = libvirtd
        self.drives = drives
        self.uuid = str(uuid.uuid4())
        self.ordinary = ordinary
        super().__init__(libvirtd.t, disks, name=name, boot=boot,
                         agent=agent)

    def virsh(self, verb, *words, **more):
        """virsh VERB DOMAIN WORDS; how long it took is said."""
        begin = time.monotonic()
        done = self.libvirtd.virsh(verb, self.name, *words, **more)
        self.context.say(f"virsh {verb}: {done.returncode}, "
                         f"{time.monotonic() - begin:.2f} s "
                         f"{done.stderr.strip()}")
        return done

    def start(self):
        self._move_in(self.first)
        for disk in self.disks.values():
            disk.create(self.context.folder)
            os.chown(disk.path, self.libvirtd.uid, self.libvirtd.uid)
        self._be_readable()
        path = self.context.path(f"{self.name}.xml")
        with open(path, "w") as stream:
            stream.write(self.xml())
        self.libvirtd.virsh("define", path)
        self.libvirtd.virsh("start", self.name,
                            *([] if self.boot else ["--paused"]))
        self.arrive()
        if self.boot:
            self.meet_guest()

    def _be_readable(self):
        """What QEMU's user needs and libvirt does not give him."""
        console = self.log_path + ".console"
        with open(console, "w"):
            os.chown(console, self.libvirtd.uid, self.libvirtd.uid)
        self.boot_files = guest.boot_arguments(
            guest.image(self.agent))[1:4:2] if self.boot else []
        if self.libvirtd.uid != 0:
            # libvirt makes them that user's, too.
            self.boot_files = [
                shutil.copy(path, self.context.path(
                    f"{self.name}.{os.path.basename(path)}"))
                for path in self.boot_files]

    def arrive(self):
        """It runs in a new QEMU."""
        self._pid = int(self._pid_file())
        self.qmp = VirshQmp(self.libvirtd, self.name) if self.ordinary \
            else Qmp(self.test_path)
        # libvirt calls their nodes what it likes.
        nodes = {drive["inserted"]["file"]: drive["inserted"]["node-name"]
                 for drive in self.qmp("query-block") if "inserted" in drive}
        for disk in self.disks.values():
            disk.node = nodes.get(disk.path)

    def pause(self):
        if not self.ordinary:
            super().pause()
            return
        self.libvirtd.virsh("suspend", self.name)

    def resume(self):
        if not self.ordinary:
            super().resume()
            return
        self.libvirtd.virsh("resume", self.name)

    def _move_in(self, libvirtd):
        """Its sockets are of the same paths on each host, and another folder's."""
        self.libvirtd = libvirtd
        self.qmp_path, self.test_path, self.port_path = (
            f"{libvirtd.folder}/m/{self.name}.{name}"
            for name in ("qmp", "test", "port"))

    def add_to(self, daemon, name="vm1"):
        """domain-add, with the names that libvirt has for its disks; an ordinary one
        by libvirt."""
        if self.ordinary:
            daemon.cli("domain-add", "--libvirt", self.libvirtd.uri, name,
                       "--libvirt-domain", self.name)
            return
        path = self.context.path(f"{self.name}.live.xml")
        with open(path, "w") as stream:
            stream.write(self.virsh("dumpxml").stdout)
        daemon.add(self, "--xml", path, name=name)

    def leave(self, verb, *words):
        """It is saved: its QEMU ends.  The first try may be over before a backup
        could yield; then it runs on, and the second cannot."""
        if self.virsh(verb, *words, check=False).returncode != 0:
            need(self.qmp("query-status")["running"], "does not run on")
            self.virsh(verb, *words)
        self.close()

    def _come(self, virsh):
        """The guest must find somebody at its port."""
        self.guest = guest.Guest(self.port_path, virsh.pid, boots=False)
        need(virsh.wait(timeout=300) == 0, f"{virsh.args} fails")
        self.arrive()

    def come_back(self, verb, *words):
        """virsh restore FILE, or start."""
        words = words or (self.name,)
        self._come(self.libvirtd.begin(verb, "--paused", *words))
        self.virsh("resume")

    def migrate(self, there):
        """To the libvirtd THERE.  Not --live: by TCG, QEMU loses what a guest that runs
        writes into its memory meanwhile."""
        here, links = self.libvirtd, (self.guest, self.qmp)
        self._move_in(there)
        # The first try may be over before a backup could yield.
        for attempt in range(2):
            virsh = here.begin("migrate", self.name, there.uri, "--migrateuri",
                               f"unix:{self.context.path('migration')}",
                               "--unsafe", "--undefinesource", "--persistent")
            try:
                self._come(virsh)
                break
            except Failed:
                if attempt == 1:
                    raise
        for link in links:
            link.close()

    def has_ended(self):
        self.close()
        wait_until(lambda: not alive(self.pid), 30, "QEMU does not end")

    def has_nothing_of_ours(self):
        """Of its QEMU."""
        state = self.state()
        left = [node for node, _ in state["nodes"] if "pullback" in node]
        need(not left and not state["jobs"] and not state["exports"],
             f"left in QEMU: {left}, {state['jobs']}, {state['exports']}")

    def snapshot(self, t, name):
        """An overlay for each disk, which is its image from then on."""
        words = [word for disk in self.disks.values() for word in
                 ("--diskspec", f"{disk.name},file={t.path(disk.name + name)}")]
        self.virsh("snapshot-create-as", name, "--disk-only", "--no-metadata",
                   *words)
        for disk in self.disks.values():
            disk.below = disk.path, disk.form
            disk.path, disk.form = t.path(disk.name + name), "qcow2"

    def blockcommit(self, check=True):
        """Of each disk's overlay into what is below it; whether the last one was."""
        for disk in self.disks.values():
            done = self.virsh("blockcommit", disk.name, "--active", "--pivot",
                              "--wait", check=check)
            if done.returncode == 0:
                disk.path, disk.form = disk.below
        return done.returncode == 0

    def bitmaps(self, disk):
        """[(name, recording)] of its node."""
        for drive in self.qmp("query-block"):
            medium = drive.get("inserted", {})
            if medium.get("file") == self.disks[disk].path:
                return sorted((b["name"], b["recording"])
                              for b in medium.get("dirty-bitmaps", []))
        raise Failed(f"{self.name} has no {disk}")

    def _pid_file(self):
        with open(f"{self.libvirtd.pid_folder}/{self.name}.pid") as stream:
            return stream.read()

    @property
    def pid(self):
        return self._pid

    def xml(self):
        def text(*parts):
            return xml.sax.saxutils.quoteattr("".join(parts))

        inside = self.context.path(f"m/{self.name}")
        words = guest.boot_arguments("")[5]
        boot = f"""
    <kernel>{self.boot_files[0]}</kernel><initrd>{self.boot_files[1]}</initrd>
    <cmdline>{words}</cmdline>""" if self.boot else ""
        channel = """
    <channel type='unix'>
      <target type='virtio' name='org.qemu.guest_agent.0'/></channel>""" \
            if self.agent else ""
        disks = "".join(f"""
    <disk type='file' device='disk'>
      <driver name='qemu' type='{disk.form}' discard='unmap'/>
      <source file={text(disk.path)}/>
      <target dev='{disk.name}' bus='virtio'/><serial>{disk.name}</serial>
      {"<shareable/>" if disk.shareable else ""}
      {"<readonly/>" if disk.readonly else ""}
    </disk>""" for disk in self.disks.values()) + "".join(f"""
    <disk type='file' device='cdrom'><target dev='{name}' bus='sata'/></disk>"""
                                                          for name in self.drives)
        monitors = "" if self.ordinary else "".join(f"""
    <qemu:arg value='-qmp'/>
    <qemu:arg value={text("unix:", path, ",server=on,wait=off")}/>"""
                           for path in (f"{inside}.qmp", f"{inside}.test"))
        if not self.ordinary:
            monitors = f"<qemu:commandline>{monitors}</qemu:commandline>"
        return f"""
<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>{self.name}</name><uuid>{self.uuid}</uuid>
  <memory unit='MiB'>{256 if self.boot else 32}</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type>{boot}</os>
  <features><acpi/></features><cpu mode='maximum'/>
  <devices>
    <emulator>{shutil.which("qemu-system-x86_64")}</emulator>{disks}
    <controller type='usb' model='none'/><memballoon model='none'/>
    <channel type='unix'><source mode='bind' path={text(inside, ".port")}/>
      <target type='virtio' name='pullback'/></channel>
{channel}
    <serial type='file'><source path={text(self.log_path, ".console")}/></serial>
  </devices>
  {monitors}
</domain>"""

    def end(self):
        self.close()
        self.libvirtd.virsh("destroy", self.name, check=False)
