#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: faults
# mark: long
"""With Debian 12's own kernel, a QEMU that AppArmor confines by the profile that libvirt
makes for a virtual machine: backups by a sink's socket in the machine's own folder
and a passed socket for QEMU's NBD server work with no edit, where QEMU is
refused a socket of its own in our runtime folder."""

import os
import shutil
import subprocess

from pullbacktest import MIB, main
from pullbacktest.guest import apparmor
from pullbacktest.guestprogram import run_in_guest
from pullbacktest.nbdserver import PLUGIN

UUID = "6f0d3d58-6e1c-4f0e-9d0b-3d7b8e6f1a2c"
FOLDER = "/var/lib/libvirt/qemu/domain-7-vm1"
TCG = "/usr/lib/x86_64-linux-gnu/qemu/accel-tcg-x86_64.so"
IMAGES = "/var/lib/libvirt/images"
DOMAIN = f"""<domain type='qemu' id='7'>
<name>vm1</name><uuid>{UUID}</uuid><memory>262144</memory>
<os><type arch='x86_64' machine='q35'>hvm</type></os>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>
<source file='{IMAGES}/vda.qcow2'/><target dev='vda' bus='virtio'/></disk>
</devices></domain>
"""

SCRIPT = f"""
uname -r
ip link set lo up
mount -t securityfs securityfs /sys/kernel/security
test "$(cat /sys/module/apparmor/parameters/enabled)" = Y
folder={FOLDER}
mkdir -p $folder /var/log/libvirt/qemu /run/libvirt/qemu /run/pullback \
    /var/lib/pullback /run/probe
chown -R 64055:64055 /var/lib/libvirt /run/probe
chmod 750 $folder
echo "root:x:0:0::/:/bin/sh" >/etc/passwd
echo "nbd:x:64055:64055::/:/bin/false" >>/etc/passwd

# The packages' scripts make these.
mkdir -p /etc/apparmor.d/local/abstractions $(cat /test/folders)
touch /etc/apparmor.d/local/abstractions/libvirt-qemu
/usr/lib/libvirt/virt-aa-helper -c -u libvirt-{UUID} </test/domain.xml
cat /etc/apparmor.d/libvirt/libvirt-{UUID}.files
grep '^libvirt-{UUID} (enforce)$' /sys/kernel/security/apparmor/profiles

mkfifo $folder/mon.in $folder/mon.out
chown 64055:64055 $folder/mon.*
/bin/setpriv --reuid 64055 --regid 64055 --clear-groups sh -ec '
    echo "exec libvirt-{UUID}" >/proc/self/attr/apparmor/exec
    exec /usr/bin/qemu-system-x86_64 -M none -nodefaults -no-user-config \
        -display none -uuid {UUID} \
        -blockdev qcow2,node-name=vda,file.driver=file,file.filename={IMAGES}/vda.qcow2 \
        -chardev pipe,id=mon,path={FOLDER}/mon -mon chardev=mon,mode=control \
        -qmp unix:{FOLDER}/qmp,server=on,wait=off' &
qemu=$!
exec 7<>$folder/mon.in 8<>$folder/mon.out

# What QEMU says to that, a line.
hear ()
{{
    while read -r -t 60 line <&8; do
        case $line in *'"event"'*) ;; *) echo "$line"; return ;; esac
    done
    echo "QEMU says nothing"
    return 1
}}
tell () {{ echo "$1" >&7; hear; }}
hear
tell '{{"execute": "qmp_capabilities"}}'
cat /proc/$qemu/attr/apparmor/current
grep Uid /proc/$qemu/status

serve () {{ tell '{{"execute": "nbd-server-start", "arguments": {{"addr": \
    {{"type": "unix", "data": {{"path": "'$1'"}}}}}}}}'; }}
connect () {{ tell '{{"execute": "blockdev-add", "arguments": {{"driver": "nbd", \
    "node-name": "probe", "server": {{"type": "unix", "path": "'$1'"}}}}}}'; }}
listen ()
{{
    nbdkit -U $1 null 1M
    until test -S $1; do usleep 20000; done
    chown 64055:64055 $1
}}

# What QEMU may do in a folder of its user's that is not the machine's.
serve /run/probe/nbd.sock >/test/answer
cat /test/answer
grep -q 'Permission denied' /test/answer
serve $folder/probe.sock | grep '"return"'
tell '{{"execute": "nbd-server-stop"}}' | grep '"return"'
listen /run/probe/sink.sock
connect /run/probe/sink.sock >/test/answer
cat /test/answer
if test -e /sys/kernel/security/apparmor/features/network_v9/af_unix; then
    grep -q 'Permission denied' /test/answer
else
    echo "this kernel does not ask AppArmor about connections"
fi
tell '{{"execute": "blockdev-del", "arguments": {{"node-name": "probe"}}}}'

start_daemon ()
{{
    pullback-backupd --runtime-dir /run/pullback --socket /run/pullback/c \
        --state-dir /var/lib/pullback >/test/daemon.log 2>&1 &
    until test -S /run/pullback/c; do usleep 20000; done
}}
export PULLBACK_PLUGIN=/bin/nbdkit-pullback-plugin.so PULLBACK_SOCKET=/run/pullback/c
PULLBACK_QEMU_FOLDER=$folder start_daemon
fail () {{ echo "failed: $1"; cat /test/daemon.log; dmesg | grep DENIED; exit 1; }}
write () {{ tell '{{"execute": "human-monitor-command", "arguments": \
    {{"command-line": "qemu-io vda \\"write -P '$1' 1M 1M\\""}}}}'; }}
pull () {{ nbdcopy "nbd+unix:///$1?socket=/run/pullback/vm1.sock" /test/copy; }}

write 1
pullback domain-add vm1 --qmp $folder/qmp || fail add
pullback backup-begin vm1 --checkpoint mon || fail begin
ls -l $folder /run/pullback/vm1
pull vda || fail pull
cmp /test/copy /test/first || fail "the full is another"
pullback backup-commit vm1 || fail commit
write 2
pullback backup-begin vm1 --incremental mon || fail incremental
pull vda || fail pull
cmp /test/copy /test/second || fail "the second is another"
nbdinfo --map=qemu:dirty-bitmap:backup-vda \
    "nbd+unix:///vda?socket=/run/pullback/vm1.sock" || fail map
pullback backup-abort vm1 || fail abort
if ls $folder | grep pullback; then fail "that is left"; fi
dmesg | grep DENIED
kill $qemu
"""


def files(t):
    found = {"/test/domain.xml": t.path("domain.xml"),
             "/usr/sbin/apparmor_parser": apparmor() + "/sbin/apparmor_parser",
             "/usr/bin/nbdkit": shutil.which("nbdkit"),
             "/usr/bin/qemu-system-x86_64": shutil.which("qemu-system-x86_64"),
             TCG: TCG, "/usr/lib/libvirt/virt-aa-helper":
                 "/usr/lib/libvirt/virt-aa-helper",
             IMAGES + "/vda.qcow2": t.path("vda.qcow2"),
             "/test/folders": t.path("folders"),
             "/test/first": t.path("first"), "/test/second": t.path("second")}
    with open(t.path("folders"), "w") as stream:
        for top, _, _ in os.walk(apparmor() + "/etc/apparmor.d"):
            print(top.removeprefix(apparmor()), file=stream)
    for part in "etc", "usr/share/apparmor-features":
        for top, _, names in os.walk(os.path.join(apparmor(), part)):
            found.update((os.path.join(top, name).removeprefix(apparmor()),
                          os.path.join(top, name)) for name in names)
    return found


def image(path, pattern):
    """What the guest's disk is to be like."""
    with open(path, "wb") as stream:
        stream.truncate(8 * MIB)
        stream.seek(MIB)
        stream.write(bytes([pattern]) * MIB)


def test(t):
    with open(t.path("domain.xml"), "w") as stream:
        stream.write(DOMAIN)
    image(t.path("first"), 1)
    image(t.path("second"), 2)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2",
                    t.path("vda.qcow2"), "8M"], check=True)
    plugins = subprocess.run(["nbdkit", "--dump-config"], check=True,
                             capture_output=True, text=True).stdout
    folder, = [line.split("=", 1)[1] for line in plugins.splitlines()
               if line.startswith("plugindir=")]
    more = files(t)
    more[f"{folder}/nbdkit-null-plugin.so"] = f"{folder}/nbdkit-null-plugin.so"
    t.say(run_in_guest(
        t, SCRIPT, memory=1024,
        programs=["apparmor_parser" if shutil.which("apparmor_parser") else
                  apparmor() + "/sbin/apparmor_parser",
                  "/usr/lib/libvirt/virt-aa-helper", "qemu-system-x86_64",
                  "setpriv", "nbdkit", "nbdcopy", "nbdinfo", "pullback",
                  "pullback-backupd", "pullback-gateway", PLUGIN],
        files=more))


main(test)
