#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Of all that a backup asks of a libvirt's QEMU, each path is one that the profile lets QEMU
read and write, which virt-aa-helper and Debian's abstractions/libvirt-qemu make for the very
machine; and apparmor_parser takes that profile.  No kernel is asked, which
apparmor-lets-qemu-in.py does."""

import json
import os
import re

from pullbacktest import MIB, Daemon, Disk, main, need, run
from pullbacktest.guest import apparmor
from pullbacktest.libvirtd import Domain, Libvirtd

HELPER = "/usr/lib/libvirt/virt-aa-helper"
LOG = 'log_filters = "1:qemu.qemu_monitor"'
SENT = re.compile(r"QEMU_MONITOR_IO_WRITE: mon=\S+ buf=(\{.*\})")
RULE = re.compile(r'^\s*(?:audit )?(deny )?(?:owner )?'
                  r'("[^"]+"|[/@]\S*) +([rwmklxUPCaip]+)(?: *->.*)?,', re.M)


def profile(t, vm):
    """Its text, with all that it includes; as of the machine that runs."""
    name = f"libvirt-{vm.uuid}"
    etc = apparmor() + "/etc/apparmor.d"
    with open(t.path("live.xml"), "w") as stream:
        stream.write(vm.virsh("dumpxml").stdout)
    with open(t.path("live.xml")) as stream:
        rules = run(HELPER, "--dryrun", "--create", "--uuid", name,
                    stdin=stream).stderr
    rules = "\n".join(re.findall(r'^ +".*,$', rules, re.M))
    need(f"domain-{vm.id}-{vm.name}" in rules, f"virt-aa-helper: {rules}")
    os.makedirs(t.path("own/local/abstractions"))
    with open(t.path("own/local/abstractions/libvirt-qemu"), "w"):
        pass
    text = (f"#include <tunables/global>\nprofile {name} "
            "flags=(attach_disconnected) {\n"
            f"  #include <abstractions/libvirt-qemu>\n{rules}\n}}\n")
    with open(t.path("profile"), "w") as stream:
        stream.write(text)
    parser = [apparmor() + "/sbin/apparmor_parser", "--base", etc,
              "--Include", t.path("own"), "--features-file", apparmor()
              + "/usr/share/apparmor-features/features",
              "--skip-cache", "--skip-kernel-load"]
    run(*parser, "--add", t.path("profile"))
    return run(*parser, "--preprocess", t.path("profile")).stdout


def pattern(glob):
    """Of AppArmor's."""
    parts = {"**": ".*", "*": "[^/]*", "?": "[^/]", "{": "(?:", "}": ")",
             ",": "|"}
    return re.compile("".join(
        part if part.startswith("[") else parts.get(part) or re.escape(part)
        for part in re.findall(r"\*\*|\[[^]]*\]|.", glob)) + r"\Z")


def allowed(text):
    """What QEMU may do with a path."""
    rules = [(bool(deny), pattern(path.strip('"')), set(rights))
             for deny, path, rights in RULE.findall(text)
             if not path.strip('"').startswith("@")]
    need(len(rules) > 100, f"only {len(rules)} rules were read")

    def rights(path):
        found, denied = set(), set()
        for deny, glob, these in rules:
            if glob.match(path):
                (denied if deny else found).update(these)
        return found - denied

    return rights


def paths(value):
    """All absolute ones in what was sent."""
    if isinstance(value, dict):
        return {p for one in value.values() for p in paths(one)}
    if isinstance(value, list):
        return {p for one in value for p in paths(one)}
    return {value} if isinstance(value, str) and value.startswith("/") else set()


def sent(libvirtd, skip):
    with open(f"{libvirtd.folder}/libvirtd.log") as stream:
        stream.seek(skip)
        return [json.loads(text) for text in SENT.findall(stream.read())]


def test(t):
    libvirtd = Libvirtd(t, more=LOG)
    vm = Domain(libvirtd, [Disk("vda", "qcow2", 8 * MIB),
                           Disk("vdb", "raw", 8 * MIB)], ordinary=True,
                boot=False)
    vm.id = libvirtd.virsh("domid", vm.name).stdout.strip()
    rights = allowed(profile(t, vm))
    t.check(rights(vm.disks["vda"].path) >= set("rw"), "its own image")
    t.check(not rights("/run/pullback/vm1/x.sock"), "our runtime folder")
    daemon = Daemon(t, within=libvirtd.within)
    skip = os.stat(f"{libvirtd.folder}/libvirtd.log").st_size
    vm.add_to(daemon)
    daemon.begin("--checkpoint", "mon")
    daemon.commit()
    daemon.begin("--incremental", "mon", "--checkpoint", "tue")
    daemon.commit()
    commands = sent(libvirtd, skip)
    verbs = {command["execute"] for command in commands}
    need({"blockdev-add", "nbd-server-start", "transaction"} <= verbs,
         f"what was sent is not all in libvirt's log: {verbs}")
    # Those of QEMU's objects are of no file.
    found = paths([command for command in commands
                   if not command["execute"].startswith("qom-")])
    t.say(f"of {len(verbs)} commands: {found}")
    need(found, "no path was sent")
    for path in found:
        t.check(rights(path) >= set("rw"), f"QEMU may not use {path}: "
                f"{rights(path)}")
    for command in commands:
        if command["execute"] == "nbd-server-start":
            t.check(command["arguments"]["addr"]["type"] == "fd",
                    f"QEMU is to make a socket itself: {command}")
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
