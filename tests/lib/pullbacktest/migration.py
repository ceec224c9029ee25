# SPDX-License-Identifier: LGPL-2.1-or-later
"""Migrating a VM to another QEMU on the same images, or into a file."""

from . import guest
from .clients import pull_dirty, same
from .outcome import need, wait_until
from .scenario import freeze
from .vm import VM

# query-migrate says no other word of one that is over.
OVER = ("completed", "failed", "cancelled")


class Destination(VM):
    """The same machine as SOURCE, waiting for it."""

    incoming = True

    def __init__(self, context, source, capabilities=()):
        super().__init__(context, list(source.disks.values()),
                         boot=source.boot, more=["-incoming", "defer"])
        # Before it arrives: a guest that finds nobody at its port ends.
        if self.boot:
            self.guest = guest.Guest(self.port_path, self.pid, boots=False)
            wait_until(self._has_somebody, 20, "QEMU does not take the line")
        self.uri = f"unix:{context.path(self.name + '.mig')}"
        switch_on(self, *capabilities)
        self.qmp("migrate-incoming", uri=self.uri)

    def _has_somebody(self):
        return any(one["label"] == "guest"
                   and not one["filename"].startswith("disconnected")
                   for one in self.qmp("query-chardev"))

    def take_over(self):
        """The guest has arrived."""
        wait_until(lambda: self.qmp("query-status")["status"] != "inmigrate",
                   20, "the guest has not arrived")


def switch_on(vm, *capabilities):
    if capabilities:
        vm.qmp("migrate-set-capabilities", capabilities=[
            {"capability": name, "state": True} for name in capabilities])


def migrate(vm, uri, deadline=60):
    """Until it is over: how it ended."""
    vm.qmp("migrate", uri=uri)
    wait_until(lambda: vm.qmp("query-migrate").get("status") in OVER, deadline,
               "the migration does not end")
    return vm.qmp("query-migrate")["status"]


def migrate_well(vm, destination):
    """VM has gone, DESTINATION runs it if VM did.  The guest stands still as long as its
    memory is copied: by TCG, QEMU loses what it writes meanwhile, and the kernel of the
    guest that arrives finds bad pages."""
    runs = vm.boot and vm.qmp("query-status")["running"]
    if runs:
        vm.pause()
    status = migrate(vm, destination.uri)
    need(status == "completed", f"the migration has {status}")
    destination.take_over()
    if runs:
        destination.resume()


def take_checkpoints(t, daemon, domain, other, names, there=None):
    """As on the host that OTHER, of the same virtual machine, is on.  THERE: the daemon that
    has OTHER, if it is another one."""
    for name in names:
        path = t.path(f"{name}.xml")
        with open(path, "w") as stream:
            stream.write(daemon.pullback("checkpoint-dumpxml", domain,
                                         name).stdout)
        (there or daemon).cli("checkpoint-create", other, "--xmlfile", path,
                              "--redefine")


def incremental_there(t, daemon, vm, copy, there=None):
    """Domain vm1 has gone, and VM, the domain "there", is what has come of it: since the
    checkpoint mon, which is what COPY has, the next incremental backup has all
    changes.  The backup, committed as tue.  THERE: see take_checkpoints."""
    there = there or daemon
    take_checkpoints(t, daemon, "vm1", "there", ["mon"], there)
    backup, references = freeze(t, vm, there, "--checkpoint", "tue",
                                "--incremental", "mon", name="there")
    disk = backup["disk"]["vda"]
    t.check(disk["mode"] == "incremental", f"there: {disk['reason']}")
    pull_dirty(disk, copy)
    same(references["vda"], copy, "the incremental there")
    there.commit("there")
    return backup
