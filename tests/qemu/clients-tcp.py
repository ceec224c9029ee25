#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Stock NBD clients work unchanged over TCP, which listens on the loopback
address alone unless another one was asked for."""

import os
from urllib.parse import urlparse

from pullbacktest import (MIB, VM, Daemon, Disk, freeze, main, start_load,
                          stop_load)
from pullbacktest.everyclient import all_clients
from pullbacktest.obstacles import kept_port


def listens_on(port):
    """Addresses (as /proc prints them) that are listened on at PORT."""
    found = []
    for name in ("tcp", "tcp6"):
        if os.path.exists(f"/proc/net/{name}"):
            with open(f"/proc/net/{name}") as stream:
                for line in stream.readlines()[1:]:
                    words = line.split()
                    address, number = words[1].split(":")
                    if int(number, 16) == port and words[3] == "0A":
                        found.append(address)
    return found


def test(t):
    vm = VM(t, [Disk("vda", "raw", 48 * MIB), Disk("vdb", "qcow2", 48 * MIB)])
    daemon = Daemon(t)
    daemon.add(vm)
    start_load(t, vm, "rate=50")
    backup, references = freeze(t, vm, daemon, "--checkpoint", "mon")
    daemon.commit()
    port = kept_port(t)
    backup, references = freeze(t, vm, daemon, "--incremental", "mon",
                                "--tcp", str(port))
    for disk in backup["disks"]:
        uri = urlparse(disk["uri"])
        t.check(uri.scheme == "nbd" and uri.port == port, disk["uri"])
    t.check(listens_on(port) == ["0100007F"],
            f"listens on {listens_on(port)}, want 127.0.0.1 alone")
    all_clients(t, backup, references)
    daemon.abort()
    t.check(not listens_on(port), "still listens after the abort")
    stop_load(t, vm)


main(test)
