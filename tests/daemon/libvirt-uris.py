#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What domain-add takes as libvirt: this host's, and its QEMUs.  Whatever it refuses it
says why, and registers nothing."""

from pullbacktest import Daemon, main

NOWHERE = "qemu:///system?socket=/nonexistent/libvirt-sock"
WRONG = [
    ([], ["--libvirt", "--qmp"]),
    (["--libvirt", "qemu+ssh://host/system"], ["host", "another host"]),
    (["--libvirt", "qemu+ssh:///system"], ["another host"]),
    (["--libvirt", "qemu+unix://host/system"], ["another host"]),
    (["--libvirt", "qemu://host/system"], ["another host"]),
    (["--libvirt", "qemux:///system"], ["qemux", "qemu:///system"]),
    (["--libvirt", "xen:///system"], ["xen", "qemu:///system"]),
    (["--libvirt", "system"], ["'system'", "qemu:///system"]),
    (["--libvirt", NOWHERE, "--qmp", "/q"], ["--qmp"]),
    (["--libvirt", NOWHERE, "--agent", "/a"], ["--agent"]),
    (["--qmp", "/q", "--libvirt-domain", "a"], ["--libvirt-domain"]),
    (["--libvirt", NOWHERE], ["/nonexistent/libvirt-sock"]),
]


def test(t):
    daemon = Daemon(t)
    for words, saying in WRONG:
        daemon.refuses("domain-add", "vm1", *words, saying=saying)
    t.check(not daemon.cli("domain-list")["domains"], "one is registered")
    daemon.terminate()


main(test)
