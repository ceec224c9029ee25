#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The documents that libvirt's manual shows as examples are understood, or
refused by name."""

from pullbacktest import MIB, VM, Daemon, Disk, Failed, main
from pullbacktest.libvirt import examples

# Those of the examples.
UUID = "93a5c045-6457-2c09-e56c-927cdf34e178"
OLDER, NAME = "1525111885", "1525889631"


def find(t, page, *words):
    """A file with the one example of PAGE that has these WORDS."""
    found = [text for text in examples(page)
             if all(word in text for word in words)]
    if len(found) != 1:
        raise Failed(f"{len(found)} examples of {page} have {words}")
    path = t.path("example.xml")
    with open(path, "w") as stream:
        stream.write(found[0].replace("/path/to/server", t.path("server")))
    return path


def made(t, daemon):
    path = find(t, "formatcheckpoint", "<domaincheckpoint>\n  <description>")
    reply = daemon.cli("checkpoint-create", "vm1", "--xmlfile", path)
    t.check([disk["name"] for disk in reply["disks"]] == ["vda"],
            f"the example covers {reply['disks']}")
    t.check(reply["description"].startswith("Completion"), f"{reply}")
    daemon.cli("checkpoint-delete", "vm1", reply["name"])


def shown(t, daemon):
    """What libvirt shows of a checkpoint makes it known again."""
    daemon.cli("checkpoint-create", "vm1", OLDER)
    daemon.cli("checkpoint-create", "vm1", NAME, "--disk", "vda")
    daemon.cli("checkpoint-delete", "vm1", NAME, "--metadata")
    path = find(t, "formatcheckpoint", "<parent>")
    reply = daemon.cli("checkpoint-create", "vm1", "--redefine",
                       "--redefine-validate", "--xmlfile", path)
    t.check((reply["name"], reply["parent"], reply["creation-time"]) ==
            (NAME, OLDER, int(NAME)), f"redefined: {reply}")
    # It does not tell about gaps, so there may be one before it.
    t.check([(disk["name"], disk["gap-before"]) for disk in reply["disks"]] ==
            [("vda", True)], f"redefined: {reply['disks']}")


def pulled(t, daemon):
    path = find(t, "formatbackup", "pull")
    backup = daemon.begin("--backupxml", path)
    disk = backup["disk"]["vda"]
    t.check(list(backup["disk"]) == ["vda"], f"disks: {backup['disk']}")
    t.check((disk["mode"], disk["incremental"]) == ("incremental", NAME),
            f"vda: {disk}")
    t.check(backup["server"]["socket"] == t.path("server"),
            f"server: {backup['server']}")
    t.check("/path/to/file1.scratch" in backup["notes"][0],
            f"notes: {backup['notes']}")
    daemon.abort()


def test(t):
    vm = VM(t, [Disk("vda", "qcow2", 8 * MIB), Disk("vdb", "raw", 8 * MIB),
                Disk("vdc", "raw", 8 * MIB)],
            boot=False, more=["-uuid", UUID])
    daemon = Daemon(t)
    daemon.add(vm)
    made(t, daemon)
    shown(t, daemon)
    pulled(t, daemon)
    daemon.refuses("backup-begin", "vm1", "--backupxml",
                   find(t, "formatbackup", "<target"), saying=("push",))


main(test)
