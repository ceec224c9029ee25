#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clients that read 32 MiB at a time, from the disk and from a delta, do not
make the view keep 32 MiB for each of its threads: it keeps 4 MiB a client."""

import os

from pullbacktest import MIB, VM, Daemon, Disk, main
from pullbacktest.clients import open_nbd

CLIENTS = 12
ROUNDS = 5
LENGTH = 32 * MIB


def peak(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as stream:
        return [int(line.split()[1]) * 1024 for line in stream
                if line.startswith("VmHWM")][0]


def test(t):
    import nbd
    vm = VM(t, [Disk("vda", "raw", 48 * MIB, device=False)], boot=False)
    daemon = Daemon(t)
    daemon.add(vm, "--disk", "vda=node-vda")
    daemon.begin("--checkpoint", "mon")
    daemon.commit()
    backup = daemon.begin("--incremental", "mon")
    view = backup["processes"]["view"]
    before = peak(view)
    uris = [backup["disk"]["vda"]["uri"]]
    uris.append(uris[0].replace("/vda?", "/vda@dirty?"))
    handles = [open_nbd(uris[i % 2]) for i in range(CLIENTS)]
    buffers = [nbd.Buffer(LENGTH) for _ in handles]
    for _ in range(ROUNDS):
        cookies = [handle.aio_pread(buffer, 0)
                   for handle, buffer in zip(handles, buffers)]
        for handle, cookie in zip(handles, cookies):
            while not handle.aio_command_completed(cookie):
                handle.poll(-1)
    grown = peak(view) - before
    print(f"{CLIENTS} clients: {grown >> 20} MiB more")
    for handle in handles:
        handle.shutdown()
    if not os.environ.get("PULLBACK_PLUGIN_PRELOAD"):
        t.check(grown < CLIENTS * 4 * MIB + 48 * MIB,
                f"{grown >> 20} MiB more")
    daemon.abort()


main(test)
