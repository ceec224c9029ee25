#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: faults
"""domain-add --all, and what happens to virtual machines of libvirt afterwards: they end and
start, are renamed, undefined and defined again, and libvirtd goes: domain-list says so
without being asked to look, by UUID.  A renamed one has its checkpoints still."""

from pullbacktest import MIB, Daemon, Disk, main, wait_until
from pullbacktest.libvirtd import Domain, Libvirtd

SIZE = 4 * MIB


def listed(daemon):
    return {domain["name"]: domain
            for domain in daemon.cli("domain-list")["domains"]}


def wait_state(daemon, name, state):
    wait_until(lambda: listed(daemon)[name]["state"] == state, 20,
               lambda: f"want {state}: {listed(daemon)[name]}")


def adds_all(t, daemon, libvirtd):
    daemon.refuses("domain-add", "--all", saying=["--libvirt"])
    daemon.refuses("domain-add", "--all", "x", "--libvirt", libvirtd.uri,
                   saying=["NAME"])
    reply = daemon.cli("domain-add", "--libvirt", libvirtd.uri, "--match",
                       "web*")
    t.check(reply["added"] == ["web1"] and not reply["skipped"], f"{reply}")
    reply = daemon.cli("domain-add", "--libvirt", libvirtd.uri, "--all")
    t.check(reply["added"] == ["db"] and
            [one["name"] for one in reply["skipped"]] == ["of two words"],
            f"{reply}")
    reply = daemon.cli("domain-add", "--libvirt", libvirtd.uri, "--all")
    t.check(not reply["added"], f"once more: {reply}")
    daemon.refuses("domain-add", "again", "--libvirt", libvirtd.uri,
                   "--libvirt-domain", "web1", saying=["web1", "already"])


def test(t):
    libvirtd = Libvirtd(t)
    vms = {name: Domain(libvirtd, [Disk("vda", "qcow2", SIZE,
                                        path=t.path(f"{name}.qcow2"))],
                        name=name, ordinary=True, boot=False)
           for name in ("web1", "db", "of two words")}
    daemon = Daemon(t, within=libvirtd.within)
    adds_all(t, daemon, libvirtd)
    for name in ("web1", "db"):
        wait_state(daemon, name, "running")
    daemon.begin("--checkpoint", "mon", name="web1")
    daemon.commit("web1")

    vms["web1"].virsh("destroy")
    wait_state(daemon, "web1", "not running")
    vms["web1"].virsh("domrename", "shop")
    wait_until(lambda: listed(daemon)["web1"]["libvirt-domain"] == "shop", 20,
               lambda: f"{listed(daemon)}")
    libvirtd.virsh("start", "shop")
    wait_state(daemon, "web1", "running")
    disks = daemon.begin("--incremental", "mon", name="web1")["disk"]
    t.check(disks["vda"]["mode"] == "incremental", f"{disks}")
    daemon.abort("web1")

    path = t.path("db.again.xml")
    with open(path, "w") as stream:
        stream.write(vms["db"].virsh("dumpxml", "--inactive").stdout)
    vms["db"].virsh("destroy")
    vms["db"].virsh("undefine")
    wait_state(daemon, "db", "undefined")
    info = daemon.cli("domain-info", "db")
    t.check(info["state"] == "undefined", f"{info}")
    libvirtd.virsh("define", path)
    wait_state(daemon, "db", "not running")

    libvirtd.kill9()
    wait_state(daemon, "db", "unknown")
    libvirtd.start_again()
    wait_state(daemon, "db", "not running")
    wait_state(daemon, "web1", "running")
    libvirtd.virsh("destroy", "shop")
    daemon.cli("domain-remove", "db")
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
