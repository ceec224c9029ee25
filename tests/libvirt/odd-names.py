#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: faults
# mark: long
"""domain-add --all beside machines whose names nobody would have thought of: each is added, or
left out with one sentence that names it and says how to add it, which then works.  One that is
named like a domain that is here already is left out, too."""

import shutil
import uuid
import xml.sax.saxutils

from pullbacktest import VM, Daemon, Disk, MIB, main, need
from pullbacktest.libvirtd import Libvirtd

# libvirt looks at QEMU for some seconds for each.
ODD = ["it's \"two words\"", "Bücher-日本 <&>", "--x", "a;b$(c)`d`%s%n*",
       "n" * 200]
PLAIN = ["web.1"]


def define(libvirtd, path, name):
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(f"""<domain type='qemu'>
  <name>{xml.sax.saxutils.escape(name)}</name><uuid>{uuid.uuid4()}</uuid>
  <memory unit='MiB'>16</memory>
  <os><type arch='x86_64' machine='q35'>hvm</type></os><devices>
  <emulator>{shutil.which("qemu-system-x86_64")}</emulator></devices>
</domain>""")
    libvirtd.virsh("define", path)


def test(t):
    libvirtd = Libvirtd(t)
    for name in [*ODD, *PLAIN, "taken"]:
        define(libvirtd, t.path("one.xml"), name)
    daemon = Daemon(t, within=libvirtd.within)
    daemon.add(VM(t, [Disk("vda", "raw", MIB)], boot=False), name="taken")
    reply = daemon.cli("domain-add", "--all", "--libvirt", libvirtd.uri)
    skipped = {one["name"]: one["reason"] for one in reply["skipped"]}
    t.check(set(reply["added"]) | skipped.keys() == {*ODD, *PLAIN, "taken"},
            f"neither added nor left out: {reply}")
    t.check({*PLAIN} <= set(reply["added"]), f"added: {reply['added']}")
    need("taken" in skipped and "already" in skipped["taken"],
         f"the one that is here: {skipped}")
    for i, name in enumerate(ODD):
        if name in reply["added"]:
            continue
        t.check("--libvirt-domain" in skipped[name], f"{name}: {skipped[name]}")
        daemon.cli("domain-add", f"odd{i}", "--libvirt", libvirtd.uri,
                   f"--libvirt-domain={name}")
    for one in daemon.cli("domain-list")["domains"]:
        if one["name"].startswith("odd"):
            t.check(one["libvirt-domain"] == ODD[int(one["name"][3:])] and
                    one["state"] == "not running", f"domain-list: {one}")
    text = daemon.pullback("domain-info", "odd0").stdout
    t.check(ODD[0] in text, f"domain-info: {text}")
    again = daemon.cli("domain-add", "--all", "--libvirt", libvirtd.uri)
    t.check(again["added"] == [] and
            [one["name"] for one in again["skipped"]] == ["taken"],
            f"the second time: {again}")
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
