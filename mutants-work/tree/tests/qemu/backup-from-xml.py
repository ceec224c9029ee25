#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Backups as libvirt's documents describe them: other export names and
sockets, each disk with its own start, and what backup-dumpxml says of it."""

import os
import shutil

from pullbacktest import (MIB, VM, Daemon, Disk, freeze, main, nbdcopy,
                          pull_dirty, run, same)
from pullbacktest.libvirt import valid


def document(t, name, text):
    path = t.path(name)
    with open(path, "w") as stream:
        stream.write(text)
    return path


def dump(t, daemon):
    text = run("pullback", "--socket", daemon.socket, "backup-dumpxml",
               "vm1").stdout
    root = valid(t, text)
    return root, {disk.get("name"): disk for disk in root.iter("disk")}


def full_by_unix(t, vm, daemon):
    socket = t.path("mine.sock")
    job = document(t, "full.xml", f"""
      <domainbackup mode='pull'>
        <server transport='unix' socket='{socket}'/>
        <disks>
          <disk name='vda' backup='yes' type='file' exportname='first'>
            <driver type='qcow2'/>
            <scratch file='/nowhere/vda.scratch'/>
          </disk>
          <disk name='{vm.disks["vdb"].path}'/>
          <disk name='vdc' backup='no' exportname='&amp;'/>
        </disks>
        <unknown><element/></unknown>
      </domainbackup>""")
    checkpoint = document(t, "c1.xml", "<domaincheckpoint><name>c1</name>"
                          "<description>by XML</description>"
                          "</domaincheckpoint>")
    backup, references = freeze(t, vm, daemon, job, checkpoint)
    t.check(sorted(backup["disk"]) == ["vda", "vdb"],
            f"disks: {sorted(backup['disk'])}")
    t.check("/nowhere/vda.scratch" in backup["notes"][0],
            f"notes: {backup['notes']}")
    t.check(backup["disk"]["vda"]["uri"] ==
            f"nbd+unix:///first?socket={socket}", f"{backup['disk']['vda']}")
    root, disks = dump(t, daemon)
    server = root.find("server")
    t.check((server.get("transport"), server.get("socket")) ==
            ("unix", socket), "backup-dumpxml: server")
    t.check([disks[n].get("backup") for n in ("vda", "vdb", "vdc")] ==
            ["yes", "yes", "no"], "backup-dumpxml: disks")
    t.check(disks["vda"].get("exportname") == "first", "exportname")
    for name, disk in backup["disk"].items():
        nbdcopy(disk["uri"], t.path(name))
        same(references[name], t.path(name), f"full of {name}")
    daemon.commit()
    t.check(not os.path.exists(socket), "the socket is left")


def incremental_by_tcp(t, vm, daemon):
    vm.guest("write vda 1048576 65536 7")
    vm.guest("write vdb 2097152 65536 8")
    for port in range(20000 + os.getpid() % 20000, 65536):
        job = document(t, "inc.xml", f"""
          <domainbackup mode='pull'>
            <incremental>c1</incremental>
            <server name='localhost' port='{port}'/>
            <disks>
              <disk name='vda' exportbitmap='changes'/>
              <disk name='vdb' backupmode='full'/>
              <disk name='vdc'/>
            </disks>
          </domainbackup>""")
        checkpoint = document(t, "c2.xml", """
          <domaincheckpoint><name>c2</name>
            <disks><disk name='vdb' checkpoint='no'/><disk name='vda'/></disks>
          </domaincheckpoint>""")
        done = daemon.cli("backup-begin", "vm1", "--backupxml", job,
                          "--checkpointxml", checkpoint, check=False)
        if "in use" not in done.stdout + done.stderr:
            break
    backup = {disk["name"]: disk for disk in daemon.info()["disks"]}
    t.check([backup[n]["mode"] for n in ("vda", "vdb", "vdc")] ==
            ["incremental", "full", "full"], f"modes: {backup}")
    t.check([backup[n]["reason"] for n in ("vdb", "vdc")] ==
            ["full-requested", "disk-new"], f"reasons: {backup}")
    t.check(backup["vda"]["context"] == "qemu:dirty-bitmap:changes",
            f"context: {backup['vda']['context']}")
    _, disks = dump(t, daemon)
    t.check((disks["vda"].get("incremental"), disks["vda"].get(
        "exportbitmap"), disks["vdb"].get("backupmode")) ==
            ("c1", "changes", "full"), "backup-dumpxml of the incremental")
    copy = t.path("vda.inc")
    shutil.copyfile(t.path("vda"), copy)
    t.check(pull_dirty(backup["vda"], copy) == 65536, "bytes since c1")
    nbdcopy(backup["vda"]["uri"], t.path("vda.full"))
    same(t.path("vda.full"), copy, "incremental of vda")
    daemon.commit()
    shown = daemon.cli("checkpoint-info", "vm1", "c2")
    t.check([d["name"] for d in shown["disks"]] == ["vda"],
            f"c2 covers {shown['disks']}")


def refusals(t, vm, daemon):
    before = vm.state()
    taken = t.path("taken")
    with open(taken, "w") as stream:
        stream.write("a file")

    def bad(inside, *saying, mode=" mode='pull'", words=()):
        path = document(t, "bad.xml",
                        f"<domainbackup{mode}>{inside}</domainbackup>")
        daemon.refuses("backup-begin", "vm1", "--backupxml", path, *words,
                       saying=saying)

    bad("", "push", "pull", mode="")
    bad("", "push", "pull", mode=" mode='push'")
    bad("<incremental>nope</incremental>", "nope")
    bad("<disks><disk name='vdz'/></disks>", "vdz")
    bad("<disks><disk name='vda' incremental='nope'/></disks>", "nope")
    bad("<disks><disk name='vda' backup='maybe'/></disks>", "disk", "maybe")
    bad("<disks><disk name='vda' backup='no'/></disks>", "no disk")
    bad(f"<disks><disk name='vda'/><disk name='{vm.disks['vda'].path}'/>"
        "</disks>", "vda", "already")
    bad("<disks><disk name='vda' exportname='x'/>"
        "<disk name='vdb' exportname='x'/></disks>", "export name", "x")
    bad(f"<server transport='unix' socket='{taken}'/>", taken)
    bad(f"<server transport='unix' socket='{daemon.socket}'/>", "listens")
    bad("", "exclude", "disks", words=("--disk", "vda"))
    with open(taken) as stream:
        t.check(stream.read() == "a file", "a file was overwritten")
    vm.assert_clean(before)


def test(t):
    vm = VM(t, [Disk("vda", "raw", 32 * MIB), Disk("vdb", "qcow2", 32 * MIB),
                Disk("vdc", "raw", 8 * MIB)])
    daemon = Daemon(t)
    daemon.add(vm)
    full_by_unix(t, vm, daemon)
    incremental_by_tcp(t, vm, daemon)
    refusals(t, vm, daemon)
    daemon.refuses("backup-dumpxml", "vm1", saying=("no backup", "vm1"))
    daemon.assert_nothing_left()


main(test)
