# SPDX-License-Identifier: LGPL-2.1-or-later
"""A real libvirtd of an ordinary user (qemu:///session), whom only it and its virtual machines
know of."""

import os

from .clients import run
from .libvirtd import REAPER, Libvirtd
from .outcome import Failed, Skip, need_programs, wait_until

UID = 12345
START = """
set -e
echo $$ >"$1/inside"
ip link set lo up
mkdir -p "$2"
mount --bind "$1/m" "$2"
# A machine may have one that hangs whoever uses it.
test ! -e /dev/kvm || mount --bind /dev/null /dev/kvm
for file in passwd:x:{uid}:{uid}::$1/home:/bin/sh group:x:{uid}:; do
    {{ cat "/etc/${{file%%:*}}"; echo "pat:${{file#*:}}"; }} >"$1/${{file%%:*}}"
    mount --bind "$1/${{file%%:*}}" "/etc/${{file%%:*}}"
done
folder=$1
shift 2
trap 'kill $(cat "$folder/pid"); exit 0' TERM
"$@" libvirtd &
echo $! >"$folder/pid"
wait $!
""".format(uid=UID)


class LibvirtSession(Libvirtd):
    """As a Libvirtd, but for what only root can have."""

    def __init__(self, t):
        need_programs("libvirtd", "virsh", "setpriv")
        if os.geteuid() != 0:
            raise Skip("only root can be another user")
        self.t, self.uid = t, UID
        self.folder = t.path("session")
        self.home, self.runtime = f"{self.folder}/home", f"{self.folder}/run"
        for folder in (self.folder, self.home, self.runtime,
                       f"{self.folder}/m", f"{self.home}/.config",
                       f"{self.home}/.config/libvirt",
                       f"{self.home}/pullback",
                       *(f"{self.home}/pullback/{name}" for name in "rsf")):
            os.makedirs(folder, mode=0o700, exist_ok=True)
            os.chown(folder, UID, UID)
        os.chmod(self.folder, 0o755)
        # Or a virtlogd would be started, and stay.
        self._write("home/.config/libvirt/qemu.conf",
                    'stdio_handler = "file"\n')
        self.socket = f"{self.runtime}/libvirt/libvirt-sock"
        self.uri = "qemu:///session"
        with open(f"{self.folder}/start.log", "wb") as log:
            self.process = t.start(
                "python3", "-c", REAPER, "unshare", "--mount", "--net",
                "--propagation", "private", "sh", "-c", START, "sh",
                self.folder, t.path("m"), *self._user(), stdout=log, stderr=log)
        wait_until(self._answers, 60, "libvirtd does not answer")

    def _user(self):
        return ["setpriv", f"--reuid={UID}", f"--regid={UID}",
                "--clear-groups", "env", f"HOME={self.home}",
                f"XDG_RUNTIME_DIR={self.runtime}"]

    @property
    def within(self):
        """Words before a command that is to be the user's."""
        return [*super().within, *self._user()]

    @property
    def pid_folder(self):
        return f"{self.runtime}/libvirt/qemu/run"

    def virsh(self, *words, check=True, timeout=300):
        done = run(*self.within, "virsh", "--quiet", "-c", self.uri, *words,
                   check=False, timeout=timeout)
        if check and done.returncode != 0:
            raise Failed(f"virsh {' '.join(map(str, words))}: {done.stderr}")
        return done
