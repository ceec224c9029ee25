#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""restore-begin --as makes a new machine: beside the one that was backed up, which runs on,
and of a kept XML where that is no more.  libvirt starts it, with the disks that were restored.
libvirtd that is not there at the commit keeps that from its end, and nothing else."""

import os
import re

from pullbacktest import (MIB, Daemon, Disk, freeze, main, nbdcopy, need,
                          pull_onto_copies, same, wait_until)
from pullbacktest.libvirtd import Domain, Libvirtd
from pullbacktest.restore import restore_begin, restores

SIZE = 16 * MIB


def bad_input(t, daemon, libvirtd, folder):
    wrong = t.path("wrong.xml")
    with open(wrong, "w") as stream:
        stream.write("<domainsnapshot/>")

    def refuses(*words, saying):
        daemon.refuses("restore-begin", *words, saying=saying)
        t.check(restores(daemon) == {} and not os.listdir(folder),
                f"{words}: {restores(daemon)}, {os.listdir(folder)}")

    there = "--folder", folder
    refuses("vm1", "--as", "vm2", saying=["--folder"])
    refuses("vm1", *there, saying=["--folder", "--as"])
    refuses("vm1", "--define", saying=["--define", "--as"])
    refuses("--as", "vm2", *there, saying=["domain", "--xml"])
    refuses("nobody", "--as", "vm2", *there, saying=["nobody"])
    refuses("vm1", "--as", "a/b", *there, saying=["a/b"])
    refuses("vm1", "--as", "vm1", *there, "--define",
            saying=["vm1", "another name"])
    refuses("vm1", "--as", "vm2", *there, "--format", "raw",
            saying=["--format", "--as"])
    refuses("vm1", "--as", "vm2", *there, "--disk", "vdx", saying=["vdx"])
    refuses("vm1", "--as", "vm2", *there, "--disk", "vda=large",
            saying=["vda=large", "64G"])
    refuses("vm1", "--as", "vm2", *there, "--create", "vmdk",
            saying=["vmdk", "raw"])
    refuses("vm1", "--as", "vm2", "--folder", f"{folder}/none",
            saying=[f"{folder}/none"])
    refuses("--as", "vm2", *there, "--xml", wrong, saying=["<domain>"])
    refuses("--as", "vm2", *there, "--xml", t.path("kept.xml"), "--define",
            saying=["--define", "--libvirt"])
    refuses("--as", "vm2", *there, "--xml", t.path("kept.xml"), "--define",
            "--libvirt", "lxc:///", saying=["lxc:///"])


def fill(t, info):
    for disk in info["disks"]:
        nbdcopy(t.path(f"{disk['name']}.copy"), disk["uri"])


def is_started(t, daemon, libvirtd, name):
    """By virsh; QEMU reads what was restored, and the guest boots."""
    libvirtd.virsh("start", name)
    wait_until(lambda: re.search(r"rd_req [1-9]", libvirtd.virsh(
        "domblkstat", name, "vda").stdout), 60, f"{name} reads nothing")
    daemon.cli("domain-add", name, "--libvirt", libvirtd.uri)
    for disk in daemon.begin(name=name)["disks"]:
        nbdcopy(disk["uri"], t.path("pulled"))
        same(t.path(f"{disk['name']}.copy"), t.path("pulled"),
             f"{disk['name']} of {name}")
        os.unlink(t.path("pulled"))
    daemon.commit(name=name)
    libvirtd.virsh("destroy", name)


def beside(t, vm, daemon, libvirtd, folder):
    info = restore_begin(daemon, "vm1", "--as", "vm2", "--folder", folder,
                         "--define")
    t.check(any("vdc" in note for note in info["notes"]), f"{info['notes']}")
    fill(t, info)
    libvirtd.kill9()
    daemon.refuses("restore-commit", "vm2", saying=["libvirt"])
    t.check(restores(daemon) == {"vm2": "committing"}, f"{restores(daemon)}")
    libvirtd.start_again()
    daemon.cli("restore-commit", "vm2")
    t.check(sorted(os.listdir(folder)) == ["vm2-vda.qcow2", "vm2-vdb.raw"],
            f"{os.listdir(folder)}")
    xml = libvirtd.virsh("dumpxml", "vm2").stdout
    t.check(vm.uuid not in xml and vm.disks["vda"].path not in xml and
            vm.disks["vdc"].path not in xml, f"{xml}")
    is_started(t, daemon, libvirtd, "vm2")
    need(vm.qmp("query-status")["running"], "vm1 does not run on")


def of_kept_xml(t, vm, daemon, libvirtd, folder):
    words = ["--as", "vm3", "--folder", folder, "--xml", t.path("kept.xml"),
             "--create", "raw"]
    daemon.refuses("restore-begin", *words, saying=["vda", "--disk vda=64G"])
    info = restore_begin(daemon, *words, "--disk", "vda=16M", "--disk",
                         f"vdb={SIZE}")
    fill(t, info)
    daemon.cli("restore-commit", "vm3")
    libvirtd.virsh("define", os.path.join(folder, "vm3.xml"))
    is_started(t, daemon, libvirtd, "vm3")
    daemon.refuses("restore-begin", *words, saying=["vm3.xml", "exists"])


def test(t):
    libvirtd = Libvirtd(t)
    vm = Domain(libvirtd, [Disk("vda", "qcow2", SIZE), Disk("vdb", "raw", SIZE),
                           Disk("vdc", "raw", MIB, shareable=True)],
                ordinary=True)
    daemon = Daemon(t, within=libvirtd.within)
    vm.add_to(daemon)
    folder = t.path("new")
    os.mkdir(folder)
    with open(t.path("kept.xml"), "w") as stream:
        stream.write(vm.virsh("dumpxml").stdout)
    vm.guest(f"write vda {MIB} {2 * MIB} 1")
    vm.guest(f"write vdb {3 * MIB} {MIB} 2")
    backup, references = freeze(t, vm, daemon, "--checkpoint", "mon")
    pull_onto_copies(t, backup, references, "mon")
    daemon.commit()

    bad_input(t, daemon, libvirtd, folder)
    info = restore_begin(daemon, "vm1", "--as", "vm2", "--folder", folder)
    fill(t, info)
    daemon.cli("restore-abort", "vm2")
    t.check(not os.listdir(folder), f"{os.listdir(folder)}")
    beside(t, vm, daemon, libvirtd, folder)

    vm.virsh("destroy")
    vm.has_ended()
    vm.virsh("undefine")
    daemon.cli("domain-remove", "vm1", "--checkpoints-metadata")
    for disk in vm.disks.values():
        os.unlink(disk.path)
    of_kept_xml(t, vm, daemon, libvirtd, folder)
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
