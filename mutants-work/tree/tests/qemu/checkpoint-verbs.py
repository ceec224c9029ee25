#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The checkpoint verbs of virsh: created from XML and options, listed as
table, names and tree, shown with sizes, and redefined from what was shown."""

import re
import xml.etree.ElementTree as ElementTree

from pullbacktest import MIB, VM, Daemon, Disk, main, run
from pullbacktest.libvirt import valid

TREE = """c1
  |
  +- c2
      |
      +- c3

"""


def plain(daemon, *words):
    """What a person reads."""
    return run("pullback", "--socket", daemon.socket, *words).stdout


def names(daemon, *words):
    return [c["name"] for c in
            daemon.cli("checkpoint-list", "vm1", *words)["checkpoints"]]


def dump(daemon, name, *words):
    text = daemon.cli("checkpoint-dumpxml", "vm1", name, *words)["xml"]
    return text, ElementTree.fromstring(text)


def sizes(root):
    return {disk.get("name"): disk.get("size")
            for disk in root.findall("disks/disk")
            if disk.get("checkpoint") == "bitmap"}


def create(t, daemon, vm):
    """c1 of both disks, c2 of vdb, c3 of both again."""
    path = t.path("c1.xml")
    with open(path, "w") as stream:
        stream.write("<domaincheckpoint><name>c1</name><description>first"
                     " &amp; foremost</description></domaincheckpoint>")
    reply = daemon.cli("checkpoint-create", "vm1", "--xmlfile", path)
    t.check([d["name"] for d in reply["disks"]] == ["vda", "vdb"],
            f"c1 covers {reply['disks']}")
    vm.guest("write vda 0 65536 1")
    vm.guest("write vdb 0 65536 1")
    path = vm.disks["vdb"].path
    daemon.cli("checkpoint-create-as", "vm1", "c2", "the second",
               "--diskspec", "vda,checkpoint=no",
               "--diskspec", f"{path},checkpoint=bitmap,bitmap=c2")
    vm.guest("write vda 1048576 131072 2")
    vm.guest("write vdb 0 131072 2")
    daemon.cli("checkpoint-create-as", "vm1", "c3", "--consumer", "other")
    vm.guest("write vda 4194304 65536 3")


def check_lists(t, daemon):
    for words, want in (
            ((), ["c1", "c2", "c3"]), (("--topological",), ["c1", "c2", "c3"]),
            (("--roots",), ["c1"]), (("--leaves",), ["c3"]),
            (("--no-leaves",), ["c1", "c2"]), (("--from", "c1"), ["c2"]),
            (("c2",), ["c3"]), (("--from", "c1", "--descendants"),
                                ["c2", "c3"]),
            (("--consumer", "other"), ["c3"]),
            (("--tree", "--from", "c2"), ["c2", "c3"])):
        t.check(names(daemon, *words) == want,
                f"checkpoint-list {words}: {names(daemon, *words)}")
    t.check(plain(daemon, "checkpoint-list", "vm1", "--name") ==
            "c1\nc2\nc3\n", "checkpoint-list --name")
    tree = plain(daemon, "checkpoint-list", "vm1", "--tree")
    t.check(tree == TREE, f"checkpoint-list --tree:\n{tree}")
    table = plain(daemon, "checkpoint-list", "vm1", "--parent")
    t.check(re.search(r"^c3 +c2 ", table, re.M), f"the list:\n{table}")
    daemon.refuses("checkpoint-list", "vm1", "--tree", "--name",
                   saying=("tree", "names"))
    daemon.refuses("checkpoint-list", "vm1", "--from", "nope",
                   saying=("nope",))


def check_one(t, daemon):
    t.check(plain(daemon, "checkpoint-parent", "vm1", "c3") == "c2\n",
            "checkpoint-parent c3")
    daemon.refuses("checkpoint-parent", "vm1", "c1", saying=("c1", "parent"))
    info = daemon.cli("checkpoint-info", "vm1", "c1")
    t.check((info["children"], info["descendants"]) == (1, 2), f"{info}")
    text = plain(daemon, "checkpoint-info", "vm1", "c1")
    t.check("Descendants:    2" in text, text)


def check_dumps(t, daemon, vm):
    before = vm.state()
    text, root = dump(daemon, "c1", "--size")
    t.check(root.findtext("description") == "first & foremost", text)
    t.check(root.findtext("domain/name") == "vm1", text)
    t.check(sizes(root) == {"vda": str(4 * 65536), "vdb": str(2 * 65536)},
            f"sizes since c1: {sizes(root)}")
    t.check(sizes(dump(daemon, "c2", "--size")[1]) ==
            {"vdb": str(2 * 65536)}, "sizes since c2")
    t.check(sizes(dump(daemon, "c3", "--size")[1]) ==
            {"vda": "65536", "vdb": "0"}, "sizes since c3")
    t.check(dump(daemon, "c1")[1].find("disks/disk").get("size") is None,
            "a size that was not asked for")
    t.check(dump(daemon, "c1", "--no-domain")[1].find("domain") is None,
            "--no-domain")
    vm.assert_clean(before)
    # A size that a crash left behind is in nobody's way.
    vm.qmp("block-dirty-bitmap-add", node="node-vda", name="pullback-tmp-size")
    t.check(sizes(dump(daemon, "c3", "--size")[1])["vda"] == "65536",
            "a size beside a leftover")
    vm.assert_clean(before)
    for name in ("c1", "c2", "c3"):
        valid(t, dump(daemon, name, "--size")[0])


def check_redefine(t, daemon, vm):
    """What was shown brings the chain back."""
    texts = {name: dump(daemon, name)[0] for name in ("c1", "c2", "c3")}
    daemon.cli("domain-remove", "vm1", "--checkpoints-metadata")
    daemon.add(vm)
    t.check(names(daemon) == [], f"after the removal: {names(daemon)}")
    for name, text in texts.items():
        with open(t.path("again.xml"), "w") as stream:
            stream.write(text)
        more = ["--redefine-validate"] if name == "c3" else []
        daemon.cli("checkpoint-create", "vm1", "--xmlfile",
                   t.path("again.xml"), "--redefine", *more)
    t.check(names(daemon) == ["c1", "c2", "c3"], f"again: {names(daemon)}")
    for name, text in texts.items():
        t.check(dump(daemon, name)[0] == text,
                f"{name} is not as before:\n{text}\n{dump(daemon, name)[0]}")
    backup = daemon.begin("--incremental", "c1")
    t.check(backup["disk"]["vda"]["dirty-bytes"] == 4 * 65536,
            f"since c1: {backup['disk']['vda']}")
    daemon.abort()
    wrong = texts["c3"].replace("<uuid>", "<uuid>1")
    if wrong != texts["c3"]:
        with open(t.path("again.xml"), "w") as stream:
            stream.write(wrong)
        daemon.refuses("checkpoint-create", "vm1", "--xmlfile",
                       t.path("again.xml"), "--redefine", saying=("uuid",))


def check_refusals(t, daemon):
    path = t.path("bad.xml")
    for text, saying in (
            ("<domaincheckpoint><disks><disk name='vdz'/></disks>"
             "</domaincheckpoint>", ("vdz",)),
            ("<domaincheckpoint><name>a/b</name></domaincheckpoint>",
             ("domaincheckpoint/name", "a/b")),
            ("<domaincheckpoint><name>x</name><disks><disk name='vda' "
             "bitmap='y'/></disks></domaincheckpoint>", ("bitmap", "'y'"))):
        with open(path, "w") as stream:
            stream.write(text)
        daemon.refuses("checkpoint-create", "vm1", "--xmlfile", path,
                       saying=saying)
    daemon.refuses("checkpoint-create", "vm1", "--redefine",
                   saying=("redefine", "xml"))
    daemon.refuses("checkpoint-create", "vm1", "--xmlfile", t.path("none"),
                   saying=("xmlfile", "No such file"))
    daemon.refuses("checkpoint-create-as", "vm1", "c9", "--diskspec",
                   "vda,mode=x", saying=("diskspec", "mode=x"))


def test(t):
    vm = VM(t, [Disk("vda", "raw", 64 * MIB), Disk("vdb", "qcow2", 64 * MIB)])
    daemon = Daemon(t)
    daemon.add(vm)
    create(t, daemon, vm)
    check_lists(t, daemon)
    check_one(t, daemon)
    check_dumps(t, daemon, vm)
    check_refusals(t, daemon)
    printed = plain(daemon, "checkpoint-create-as", "vm1", "p", "text",
                    "--print-xml", "--diskspec", "vda")
    t.check("<name>p</name>" in printed and "name='vda'" in printed, printed)
    t.check(names(daemon) == ["c1", "c2", "c3"], "--print-xml made something")
    check_redefine(t, daemon, vm)
    # The empty document: all defaults, the time is the name.
    with open(t.path("e.xml"), "w") as stream:
        stream.write("<domaincheckpoint/>")
    reply = daemon.cli("checkpoint-create", "vm1", "--xmlfile",
                       t.path("e.xml"))
    t.check(reply["name"].isdigit(), f"the name is {reply['name']}")


main(test)
