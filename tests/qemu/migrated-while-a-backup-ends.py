#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""QEMU gives its images away, with the bitmaps in them, at any moment while a backup is
being aborted: a bitmap that is not there then is not taken for one that was removed.
When it has them again the checkpoint is merged back, and the chain goes on."""

from pullbacktest import (MIB, VM, Daemon, Disk, main, migrate, need, wait_until)
from pullbacktest.fakeqmp import QmpProxy

LOOK = "query-block"            # what each look at the bitmaps begins with
MOST = 12                       # looks of one abort


def save_at(t, vm, daemon, proxy, number):
    """The NUMBER-th look of an abort waits until the machine is saved; False: it has
    not so many."""
    proxy.hold(LOOK, number)
    abort = t.start("pullback", "--socket", daemon.socket, "backup-abort", "vm1")
    wait_until(lambda: proxy.holds() or abort.poll() is not None, 60,
               "neither held nor done")
    if not proxy.holds():
        proxy.off()
        return False
    # It fails where the backup's job is still there.
    status = migrate(vm, f"exec:cat >{t.path('saved')}")
    proxy.off()
    abort.wait(timeout=90)
    vm.resume()
    t.say(f"at look {number}: {status}")
    return True


def names(vm):
    return [bitmap[0] for bitmap in vm.state()["bitmaps"].get("node-vda", [])]


def test(t):
    vm = VM(t, [Disk("vda", "qcow2", 16 * MIB)], boot=False)
    proxy = QmpProxy(t, vm, "proxy", "hold", switched=True)
    daemon = Daemon(t)
    daemon.cli("domain-add", "vm1", "--qmp", proxy.path)
    vm.resume()
    daemon.begin("--checkpoint", "c0")
    daemon.commit()
    for number in range(1, MOST):
        daemon.begin("--checkpoint", "x", "--incremental", f"c{number - 1}")
        reached = save_at(t, vm, daemon, proxy, number)
        daemon.wait_ended()
        disk = daemon.begin("--checkpoint", f"c{number}", "--incremental",
                            f"c{number - 1}")["disk"]["vda"]
        t.check(disk["mode"] == "incremental",
                f"at look {number}: {disk['mode']}, {disk['reason']}")
        daemon.commit()
        t.check("x" not in names(vm), f"at look {number}: {names(vm)}")
        if not reached:
            break
    need(number > 3, "too few looks")


main(test)
