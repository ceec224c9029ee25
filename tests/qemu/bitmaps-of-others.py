#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A bitmap on a raw disk ends with its QEMU.  One of the same name that somebody made
in the next QEMU is not taken for it; one that migrated along is, and one that the
user vouches for by redefining its checkpoint."""

import os

from pullbacktest import MIB, VM, Daemon, Disk, main, run, wait_until


def since_base(t, daemon, want):
    disk = daemon.begin("--incremental", "base")["disk"]["vda"]
    have = disk["reason"] or disk["mode"]
    t.check(have == want, f"{have}, want {want}")
    daemon.abort()


def migrate(t, vm):
    """To a file and from there into the next QEMU."""
    file = t.path("migration")
    capabilities = [{"capability": "dirty-bitmaps", "state": True}]

    def done():
        return vm.qmp("query-migrate").get("status") == "completed"

    vm.qmp("migrate-set-capabilities", capabilities=capabilities)
    vm.qmp("migrate", uri=f"exec:cat > {file}")
    wait_until(done, 30, "no migration")
    vm.quit()
    vm.more = ["-incoming", "defer"]
    vm.start()
    vm.qmp("migrate-set-capabilities", capabilities=capabilities)
    vm.qmp("migrate-incoming", uri=f"exec:cat {file}")
    wait_until(done, 30, "nothing came")
    # Newer QEMUs take the images only then.
    vm.resume()
    vm.pause()


def test(t):
    vm = VM(t, [Disk("vda", "raw", 8 * MIB)], boot=False)
    daemon = Daemon(t)
    daemon.add(vm)
    daemon.cli("checkpoint-create", "vm1", "base")
    since_base(t, daemon, "incremental")

    migrate(t, vm)
    since_base(t, daemon, "incremental")

    vm.quit()
    vm.more = []
    vm.start()
    since_base(t, daemon, "raw-restarted")
    vm.qmp("block-dirty-bitmap-add", node="node-vda", name="base",
           granularity=65536)
    since_base(t, daemon, "raw-restarted")

    shown = run("pullback", "--socket", daemon.socket, "checkpoint-dumpxml",
                "vm1", "base").stdout
    with open(t.path("base.xml"), "w") as stream:
        stream.write(shown)
    daemon.cli("checkpoint-create", "vm1", "--xmlfile", t.path("base.xml"),
               "--redefine", "--redefine-validate")
    since_base(t, daemon, "incremental")
    os.unlink(t.path("base.xml"))


main(test)
