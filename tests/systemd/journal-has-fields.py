#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: waits
"""In systemd's journal the events of a backup, and what the daemon says of it, have
fields; while journald hangs backups begin and end as ever."""

import json
import os
import re
import signal
import sys

from pullbacktest import MIB, VM, Disk, kill, main, run, wait_until
from pullbacktest.systemdmachine import INSIDE, UNIT, SystemdMachine, UnitDaemon

SOURCE = os.environ["PULLBACK_SRCDIR"]
# As journald has them, of which some are its own.
FIELDS = {"PULLBACK_DOMAIN": "vm1", "PRIORITY": "5", "PULLBACK_CHECKPOINT": "one",
          "SYSLOG_IDENTIFIER": UNIT, "_TRANSPORT": "journal",
          "_SYSTEMD_UNIT": f"{UNIT}.service"}


def message_ids():
    with open(f"{SOURCE}/proto/control/control-events.tbl.h") as f:
        return dict(re.findall(r'^EVENT \((\w+), "(\w+)"', f.read(), re.M))


def entries(*matches):
    said = run("journalctl", "-o", "json", "--no-pager", *matches).stdout
    return [json.loads(line) for line in said.splitlines()]


def entry_of(event, **matches):
    """The only one."""
    found = wait_until(lambda: entries(
        "MESSAGE_ID=" + message_ids()[event],
        *[f"{k}={v}" for k, v in matches.items()]), 20, f"no {event} is there")
    assert len(found) == 1, found
    return found[0]


def check_fields(t, entry, **more):
    for name, value in {**FIELDS, **more}.items():
        t.check(entry.get(name) == value,
                f"{name} is {entry.get(name)}, want {value}: {entry}")


def journald():
    return int(run("systemctl", "show", "-P", "MainPID",
                   "systemd-journald").stdout)


def hangs(t, daemon):
    """More than its socket takes."""
    pid = journald()
    kill(pid, signal.SIGSTOP)
    for n in range(5):
        daemon.begin("--checkpoint", f"two{n}")
        daemon.abort()
    kill(pid, signal.SIGCONT)
    daemon.begin("--checkpoint", "three")
    daemon.commit()
    entry_of("BACKUP_ENDED", PULLBACK_CHECKPOINT="three")


def inside(t):
    vm = VM(t, [Disk("vda", "qcow2", 8 * MIB), Disk("vdb", "qcow2", 8 * MIB)],
            boot=False)
    daemon = UnitDaemon(t)
    daemon.add(vm)
    daemon.begin("--checkpoint", "one")
    kill(daemon.pid_of("view"))
    wait_until(lambda: daemon.info()["restarts"]["view"] == 1, 20,
               "the view is not started again")
    daemon.commit()
    ready, ended = entry_of("BACKUP_READY"), entry_of("BACKUP_ENDED")
    tag = ready["PULLBACK_BACKUP"]
    t.check(re.fullmatch("[0-9a-f]{8}", tag), f"the tag is {tag}")
    check_fields(t, ready, PULLBACK_EVENT="BACKUP_READY", PULLBACK_MODE="full",
                 MESSAGE="the backup of vm1 is ready, full")
    check_fields(t, ended, PULLBACK_EVENT="BACKUP_ENDED", PULLBACK_BACKUP=tag,
                 PULLBACK_RESULT="committed", PULLBACK_DISK=["vda", "vdb"],
                 PULLBACK_SIZE=str(16 * MIB))
    of_it = [e["MESSAGE"] for e in entries(f"PULLBACK_BACKUP={tag}")]
    t.check(of_it[0] == "a backup of vm1 is begun" and
            any(m.startswith("view (pid ") and m.endswith("ended with signal 9")
                for m in of_it), f"of that backup: {of_it}")
    hangs(t, daemon)


def test(t):
    machine = SystemdMachine(t)
    machine.run_inside()


main(inside if INSIDE in sys.argv else test)
