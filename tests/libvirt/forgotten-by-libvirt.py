#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: faults
"""libvirtd cannot read what it has written of a machine with a backup, as after a crash amid a
backup of its own, and takes it for shut off: the guest goes on, also without the daemon, and who
asks is told. The command of docs/libvirt.md has libvirt find it again, and then the backup ends."""

import os
import re
import subprocess

from pullbacktest import (MIB, Daemon, Disk, alive, main, need, start_load,
                          stop_load, wait_until)
from pullbacktest.libvirtd import Domain, Libvirtd

# What libvirt 9.0 has written then, and does not read.
UNREADABLE = """  <backups>
    <domainbackup mode='pull'>
      <server transport='unix' socket='/nowhere'/>
      <disks>
        <disk name='vda' backup='yes' type='file' backupmode='full' index='3'/>
      </disks>
    </domainbackup>
  </backups>
"""


def forget(t, libvirtd, path):
    libvirtd.kill9()
    with open(path) as stream:
        text = stream.read()
    need(text.count("  <domain type=") == 1, f"{path}: {text}")
    text = re.sub("<job type='none' async='none'/>",
                  "<job type='none' async='backup' flags='0x0'/>", text)
    with open(path, "w") as stream:
        stream.write(text.replace("  <domain type=",
                                  UNREADABLE + "  <domain type="))
    libvirtd.start_again()
    said = libvirtd.virsh("list", "--all").stdout
    need("shut off" in said, f"libvirt still has it: {said}")


def documented_command():
    path = os.path.join(os.environ["PULLBACK_SRCDIR"], "docs", "libvirt.md")
    with open(path) as stream:
        lines = [line.strip() for line in stream if "/run/libvirt/qemu/" in line
                 and line.startswith("    sed")]
    need(len(lines) == 1, f"{path}: {lines}")
    return lines[0]


def find_again(libvirtd):
    libvirtd.kill9()
    subprocess.run(["nsenter", "--mount", "--target", libvirtd.within[-1],
                    "sh", "-c", documented_command()], check=True)
    libvirtd.start_again()


def is_told(t, daemon):
    def info():
        return daemon.cli("domain-info", "vm1", check=False)

    wait_until(lambda: '"forgotten"' in info().stdout, 30,
               lambda: f"domain-info: {info()}")
    daemon.refuses("backup-abort", "vm1", saying=["vm1", "shut off",
                                                  "libvirt.md"])
    listed = daemon.cli("domain-list")["domains"][0]
    t.check(listed["state"] == "forgotten" and "process" in listed["problem"],
            f"{listed}")


def test(t):
    libvirtd = Libvirtd(t)
    vm = Domain(libvirtd, [Disk("vda", "raw", 16 * MIB),
                           Disk("vdb", "qcow2", 16 * MIB)])
    daemon = Daemon(t, within=libvirtd.within)
    daemon.cli("domain-add", "vm1", "--libvirt", libvirtd.uri)
    path = libvirtd.inside("/run/libvirt/qemu/vm1.xml")
    start_load(t, vm, "rate=200")
    daemon.begin("--checkpoint", "mon")
    sink = daemon.pid_of("sink")
    forget(t, libvirtd, path)
    is_told(t, daemon)

    # The next daemon, and none in between.
    daemon.kill9()
    need(alive(sink), "the sink ended, which guest writes wait for")
    daemon.start()
    is_told(t, daemon)

    find_again(libvirtd)
    wait_until(lambda: daemon.pullback("backup-abort", "vm1", check=False)
               .returncode == 0, 30, "the backup is not ended")
    info = daemon.cli("domain-info", "vm1")
    t.check(info["state"] == "running" and "problem" not in info, f"{info}")
    said = stop_load(t, vm)
    t.check(not said["errors"], f"the guest says {said}")
    vm.has_nothing_of_ours()
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
