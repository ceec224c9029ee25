#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: faults
# mark: long
"""domain-info tells libvirt's own checkpoints and snapshots apart from ours, by name and parents
first, fifty of each at most; also of a machine that is off.  A libvirtd that hangs is
waited for some seconds."""

import os
import signal
import time

from pullbacktest import MIB, Daemon, Disk, main, wait_until
from pullbacktest.libvirtd import Domain, Libvirtd

MOST = 50


def names(daemon):
    info = daemon.cli("domain-info", "vm1")
    return (info.get("libvirt-checkpoints"), info.get("libvirt-snapshots"),
            info.get("libvirt-left-out"))


def redefine_many(t, vm, n):
    """Of snapshots libvirt believes what it is told."""
    path = t.path("snapshot.xml")
    commands = []
    domain = vm.virsh("dumpxml", "--inactive").stdout
    for i in range(n):
        with open(f"{path}{i}", "w") as stream:
            stream.write(f"""<domainsnapshot><name>s{i:03}</name>
<creationTime>{1700000000 + i}</creationTime><state>shutoff</state>
<memory snapshot='no'/><disks><disk name='vda' snapshot='internal'/></disks>
{domain}</domainsnapshot>""")
        commands.append(f"snapshot-create {vm.name} {path}{i} --redefine")
    for name in ("alpha", "zeta"):
        vm.virsh("checkpoint-delete", name, "--metadata")
    vm.libvirtd.virsh("; ".join(commands))


def test(t):
    libvirtd = Libvirtd(t)
    vm = Domain(libvirtd, [Disk("vda", "qcow2", MIB)], ordinary=True, boot=False)
    daemon = Daemon(t, within=libvirtd.within)
    vm.add_to(daemon)
    t.check(names(daemon) == (None, None, None), f"none: {names(daemon)}")
    daemon.begin("--checkpoint", "ours")
    daemon.commit()
    for name in ("zeta", "alpha"):
        vm.virsh("checkpoint-create-as", name)
        vm.virsh("snapshot-create-as", f"s-{name}", "--disk-only",
                 "--diskspec", f"vda,file={t.path(name)}")
    have = (["zeta", "alpha"], ["s-zeta", "s-alpha"], None)
    t.check(names(daemon) == have, f"two of each: {names(daemon)}")
    text = daemon.pullback("domain-info", "vm1").stdout
    t.check("zeta, alpha" in text and "s-zeta, s-alpha" in text, text)
    vm.virsh("destroy")
    vm.has_ended()
    wait_until(lambda: daemon.cli("domain-list")["domains"][0]["state"] ==
               "not running", 20, "it is not seen to be off")
    t.check(names(daemon) == have, f"when it is off: {names(daemon)}")
    redefine_many(t, vm, MOST)
    _, snapshots, left_out = names(daemon)
    t.check(len(snapshots) == MOST and left_out == 2,
            f"many: {len(snapshots)}, and {left_out}")
    os.kill(libvirtd.pid, signal.SIGSTOP)
    try:
        begin = time.monotonic()
        daemon.refuses("domain-info", "vm1", saying=["did not answer"])
        t.check(time.monotonic() - begin < 20, "it was waited for longer")
    finally:
        os.kill(libvirtd.pid, signal.SIGCONT)
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
