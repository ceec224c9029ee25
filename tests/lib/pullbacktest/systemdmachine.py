# SPDX-License-Identifier: LGPL-2.1-or-later
"""A real systemd as process 1 of namespaces of its own: its root is this
machine's with pullback installed, and what it writes there goes at the end.  Within
it runs the same test script, with --inside."""

import os
import subprocess
import sys

from .clients import run
from .daemon import Daemon
from .outcome import Failed, wait_until
from .processes import command_line, descendants, kill

INSIDE = "--inside"
UNIT = "pullback-backupd"

# In new namespaces, but still in this machine's root.
BOOT = r"""
set -e
private=$1 build=$2 source=$3
root=$private/root
mount --make-rprivate /
# Not on the root's file system, whose upper layer it has.
mount -t tmpfs tmpfs "$private"
mkdir "$private/upper" "$private/work" "$root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$private/upper,workdir=$private/work" "$root"
for folder in "$build" "$source"; do
    mkdir -p "$root$folder"
    mount --bind "$folder" "$root$folder"
done
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
mkdir "$root/dev/pts" "$root/dev/shm"
for node in null zero full random urandom tty; do
    cp -a "/dev/$node" "$root/dev/"
done
mount -t tmpfs tmpfs "$root/dev/shm"
# Nothing of this machine's own is to run there.
rm -rf "$root"/etc/systemd/system/*.wants "$root"/etc/fstab
make -s -C "$build" install DESTDIR="$root" >/dev/null
cd "$root"
pivot_root . mnt
exec env -i container=pullback PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    /bin/sh -c 'umount -l /mnt && exec /lib/systemd/systemd --system \
        --unit=basic.target --log-target=journal'
"""


class UnitDaemon(Daemon):
    """The daemon as systemd runs it, within."""

    def __init__(self, t):
        self.context = t
        self.runtime, self.state = "/run/pullback", "/var/lib/pullback"
        self.scratch = "/var/lib/pullback/fleece"
        self.socket = "/run/pullback/control.sock"
        self.process = None
        run("systemd-sysusers", "/usr/local/lib/sysusers.d/pullback.conf")
        run("systemctl", "start", UNIT)

    @property
    def pid(self):
        return int(run("systemctl", "show", "-P", "MainPID", UNIT).stdout)

    def wait_for_another(self, before, why):
        wait_until(lambda: self.pid not in (0, before), 30, why)
        wait_until(self.answers, 20, "the daemon does not answer")

    def answers(self):
        return self.pullback("domain-list", check=False).returncode == 0


class SystemdMachine:
    def __init__(self, t):
        self.t = t
        self.private = t.path("machine")
        os.mkdir(self.private)
        self.build = os.environ["PULLBACK_BUILDDIR"]
        self.source = os.environ["PULLBACK_SRCDIR"]
        self.groups = t.path("groups")
        self._make_group()
        self._boot()

    def _make_group(self):
        os.mkdir(self.groups)
        run("mount", "-t", "cgroup2", "cgroup2", self.groups)
        self.t.defer(run, "umount", self.groups)
        self.group = os.path.join(self.groups, os.path.basename(self.t.folder))
        os.mkdir(self.group)
        self.t.defer(self._remove_groups)

    def _remove_groups(self):
        for folder, _, _ in os.walk(self.group, topdown=False):
            wait_until(lambda place=folder: self._removed(place), 10,
                       f"{folder} is still in use")

    @staticmethod
    def _removed(folder):
        try:
            os.rmdir(folder)
        except OSError:
            return False
        return True

    def _boot(self):
        with open(self.t.path("systemd.log"), "wb") as log:
            self.outer = subprocess.Popen(
                ["sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"',
                 self.group, "unshare", "--mount", "--pid", "--cgroup", "--uts",
                 "--ipc", "--net", "--fork", "--kill-child", "bash", "-c", BOOT,
                 "bash", self.private, self.build, self.source],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.t.defer(self._end)
        self.init = wait_until(self._init, 120, "systemd does not start")
        wait_until(lambda: self.run("systemctl", "is-system-running",
                                    check=False).stdout.strip()
                   in ("running", "degraded"), 90, "systemd does not get up")

    def _init(self):
        if self.outer.poll() is not None:
            with open(self.t.path("systemd.log")) as log:
                raise Failed(f"systemd ended: {log.read()[-2000:]}")
        for pid in descendants(self.outer.pid):
            if command_line(pid).startswith("/lib/systemd/systemd --system"):
                return pid
        return None

    def _end(self):
        if self.outer.poll() is None:
            kill(self.outer.pid)        # its child goes with it, and all in there
        self.outer.wait(timeout=60)

    def words(self, *words):
        return ["nsenter", "-t", str(self.init), "--mount", "--pid", "--cgroup",
                "--uts", "--ipc", "--net", "env", "-i", "HOME=/root",
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "LC_ALL=C.UTF-8", f"PULLBACK_BUILDDIR={self.build}",
                f"PULLBACK_SRCDIR={self.source}", "PYTHONDONTWRITEBYTECODE=1",
                f"PYTHONPATH={self.source}/tests/lib", *words]

    def run(self, *words, check=True, timeout=60):
        return run(*self.words(*words), check=check, timeout=timeout)

    def run_inside(self, *words, timeout=500):
        """This script, there; what it says is said here."""
        script = os.path.abspath(sys.argv[0])
        done = subprocess.run(
            self.words("/usr/bin/python3", "-u", script, INSIDE, *words),
            stdin=subprocess.DEVNULL, timeout=timeout, check=False)
        if done.returncode != 0:
            log = self.run("journalctl", "--no-pager", "-u",
                           "pullback-backupd", check=False).stdout
            raise Failed(f"inside: exit status {done.returncode}\n{log}")
