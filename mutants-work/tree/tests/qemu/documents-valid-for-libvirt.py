#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every kind of document that is printed is valid for libvirt's own schemas,
and what libvirt has no word for is in the metadata of its domain."""

import os

from pullbacktest import MIB, VM, Daemon, Disk, main
from pullbacktest.libvirt import valid

OWN = "{https://pullback.invalid/checkpoint/1}"
DOMAIN = """
<domain type='kvm'><name>libvirt's name</name><devices>
  <disk type='file' device='disk'><source file='{0}'/>
    <target dev='vda'/></disk>
  <disk type='file' device='disk'><source file='{1}'/>
    <target dev='vdb'/></disk>
  <disk type='file' device='cdrom'><target dev='sda'/></disk>
</devices></domain>"""


def write(t, text):
    path = t.path("input.xml")
    with open(path, "w") as stream:
        stream.write(text)
    return path


def checkpoint(t, daemon, name):
    """All forms of one checkpoint; what is our own in it, and of its disks."""
    for words in (("--no-domain",), ("--size",), ("--size", "--no-domain")):
        valid(t, daemon.cli("checkpoint-dumpxml", "vm1", name, *words)["xml"])
    root = valid(t, daemon.cli("checkpoint-dumpxml", "vm1", name)["xml"])
    own = root.find(f"domain/metadata/{OWN}checkpoint")
    t.check(own is not None, f"{name} tells nothing of our own")
    texts = {element.tag.removeprefix(OWN): element.text for element in own}
    return texts, {disk.get("name"): disk.attrib
                   for disk in own.findall(f"{OWN}disk")}


def checkpoints(t, daemon):
    path = write(t, "<domaincheckpoint><name>c1</name><description>a &lt;b&gt;"
                 " &amp; 'c' \u00e4</description></domaincheckpoint>")
    daemon.cli("checkpoint-create", "vm1", "--xmlfile", path)
    daemon.cli("checkpoint-create-as", "vm1", "c2", "--diskspec", "vdb",
               "--consumer", "somebody")
    daemon.cli("checkpoint-create", "vm1", "c3")
    daemon.cli("checkpoint-create", "vm1", "c4")
    daemon.cli("checkpoint-delete", "vm1", "c3", "--metadata")
    texts, disks = checkpoint(t, daemon, "c1")
    t.check((texts["state"], texts["consumer"]) == ("committed", "default"),
            f"c1: {texts}")
    t.check({name: disk["capacity"] for name, disk in disks.items()} ==
            {"vda": str(32 * MIB), "vdb": str(16 * MIB)}, f"c1: {disks}")
    texts, disks = checkpoint(t, daemon, "c2")
    t.check(texts["consumer"] == "somebody" and list(disks) == ["vdb"],
            f"c2: {texts} {disks}")
    t.check("gap-before" not in disks["vdb"], f"c2 has a gap: {disks}")
    disks = checkpoint(t, daemon, "c4")[1]
    t.check({disk.get("gap-before") for disk in disks.values()} == {"yes"},
            f"c4 has no gap: {disks}")
    valid(t, daemon.cli("checkpoint-create-as", "vm1", "p", "--print-xml",
                        "--diskspec", "vda", "--diskspec",
                        "vdb,checkpoint=no")["xml"])
    valid(t, daemon.cli("checkpoint-create-as", "vm1", "--print-xml")["xml"])


def backup(t, daemon, *words):
    """The running backup's document, and ends it."""
    daemon.cli("backup-begin", "vm1", *words)
    root = valid(t, daemon.cli("backup-dumpxml", "vm1")["xml"])
    return root, {disk.get("name"): disk for disk in root.iter("disk")}


def backups(t, daemon):
    root, disks = backup(t, daemon, "--checkpoint", "t1")
    t.check(root.find("server").get("transport") == "unix", "not unix")
    t.check({disk.get("backupmode") for disk in disks.values()} == {"full"},
            "not full")
    t.check(checkpoint(t, daemon, "t1")[0]["state"] == "tentative",
            "t1 is not tentative")
    daemon.abort()
    root, disks = backup(t, daemon, "--incremental", "c4", "--disk", "vdb")
    t.check((disks["vda"].get("backup"), disks["vdb"].get("incremental")) ==
            ("no", "c4"), "not an incremental of vdb")
    daemon.abort()
    root, disks = backup(t, daemon, "--backupxml", write(t, f"""
      <domainbackup mode='pull'>
        <incremental>c4</incremental>
        <server transport='unix' socket='{t.path("my &amp; sock")}'/>
        <disks>
          <disk name='vda' exportname='&lt;1&gt;' exportbitmap="'&amp;'"/>
          <disk name='vdb' backupmode='full'/>
        </disks>
      </domainbackup>"""))
    t.check((disks["vda"].get("exportname"), disks["vda"].get(
        "exportbitmap")) == ("<1>", "'&'"), "not our names")
    daemon.abort()


def tcp(t, daemon):
    for address, shown in (("127.0.0.1", "127.0.0.1"),
                           ("localhost", "127.0.0.1"), ("[::1]", "::1")):
        for port in range(20000 + os.getpid() % 20000, 65536):
            done = daemon.cli("backup-begin", "vm1", "--tcp",
                              f"{address}:{port}", check=False)
            if "in use" not in done.stdout + done.stderr:
                break
        root = valid(t, daemon.cli("backup-dumpxml", "vm1")["xml"])
        t.check(root.find("server").get("name") == shown,
                f"the server is at {root.find('server').attrib}")
        daemon.abort()


def test(t):
    vm = VM(t, [Disk("a", "raw", 32 * MIB), Disk("b", "qcow2", 16 * MIB)],
            boot=False)
    daemon = Daemon(t)
    daemon.add(vm, "--xml", write(t, DOMAIN.format(
        vm.disks["a"].path, vm.disks["b"].path)))
    checkpoints(t, daemon)
    backups(t, daemon)
    tcp(t, daemon)


main(test)
