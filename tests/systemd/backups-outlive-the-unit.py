#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: waits
"""A backup that systemd's own tools cannot harm: its processes have scopes of
their own, so that it goes on while the daemon's unit is killed, hangs (watchdog),
is restarted and stopped; and it ends with the host."""

import os
import signal
import sys

from pullbacktest import (MIB, VM, Disk, freeze, kill, main, nbdcopy,
                          run, same, start_load, stop_load, wait_until)
from pullbacktest.systemdmachine import (INSIDE, UNIT, SystemdMachine,
                                         UnitDaemon)

DROP_IN = f"/run/systemd/system/{UNIT}.service.d"


def group_of(pid):
    with open(f"/proc/{pid}/cgroup", encoding="ascii") as f:
        return f.read().strip().rsplit(":", 1)[1]


def check_groups(t, daemon):
    t.check(group_of(daemon.pid).endswith(f"/{UNIT}.service"),
            f"the daemon is in {group_of(daemon.pid)}")
    for role in "sink", "view", "gateway":
        pid = daemon.pid_of(role)
        place = f"/pullback.slice/pullback-{role}-{pid}.scope"
        wait_until(lambda pid=pid, place=place: group_of(pid) == place, 10,
                   f"{role}: {group_of(pid)}, want {place}")


def check_gateway_user(t, daemon):
    wanted = run("id", "-u", "pullback-gateway").stdout.strip()
    with open(f"/proc/{daemon.pid_of('gateway')}/status") as f:
        users = [line.split()[1:] for line in f if line.startswith("Uid:")][0]
    t.check(users == [wanted] * 4, f"the gateway is {users}, want {wanted}")


def goes_on(t, daemon, processes, copy, harm, what):
    before = daemon.pid
    harm(before)
    daemon.wait_for_another(before, f"{what}: no other daemon")
    t.check(daemon.processes() == processes, f"{what}: {daemon.processes()}, "
            f"before {processes}")
    t.check(copy.poll() in (None, 0), f"{what}: the pull failed")


def inside(t):
    with open("/run/systemd/system/nearly-halt.target", "w") as f:
        f.write("[Unit]\nDefaultDependencies=no\nRequires=shutdown.target\n")
    os.makedirs(DROP_IN, exist_ok=True)
    with open(f"{DROP_IN}/test.conf", "w") as f:
        f.write("[Service]\nWatchdogSec=6\n")
    run("systemctl", "daemon-reload")
    vm = VM(t, [Disk("vda", "raw", 64 * MIB)])
    daemon = UnitDaemon(t)
    daemon.add(vm)
    start_load(t, vm)
    backup, references = freeze(t, vm, daemon, "--max-rate", "4M",
                                "--checkpoint", "one")
    check_groups(t, daemon)
    check_gateway_user(t, daemon)
    processes = daemon.processes()
    copy = t.start("nbdcopy", backup["disk"]["vda"]["uri"], t.path("pull"))
    goes_on(t, daemon, processes, copy, lambda pid: run(
        "systemctl", "kill", "--signal=KILL", UNIT), "killed")
    goes_on(t, daemon, processes, copy,
            lambda pid: kill(pid, signal.SIGSTOP), "hangs")
    goes_on(t, daemon, processes, copy,
            lambda pid: run("systemctl", "restart", UNIT), "restarted")
    goes_on(t, daemon, processes, copy, lambda pid: (
        run("systemctl", "stop", UNIT), run("systemctl", "start", UNIT)),
            "stopped")
    t.check(copy.wait(timeout=120) == 0, "nbdcopy failed")
    same(references["vda"], t.path("pull"), "the pull")
    daemon.commit()
    stop_load(t, vm)
    # What the end of the host finds running.
    daemon.begin("--incremental", "one")
    # All of a halt but its end, which would kill this test.
    run("systemctl", "--no-block", "--job-mode=replace-irreversibly", "start",
        "nearly-halt.target")
    wait_until(lambda: not os.path.exists("/var/lib/pullback/vm1/job.json"), 60,
               "the backup was not ended with the host")


def test(t):
    machine = SystemdMachine(t)
    machine.run_inside()


main(inside if INSIDE in sys.argv else test)
