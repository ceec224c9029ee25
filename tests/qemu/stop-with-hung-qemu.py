#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: waits
"""The daemon is stopped while one QEMU of three hangs: it ends within 20 s, the
backups of the others are aborted, the sink and the journal of the hung one
stay, the exit status and the log say so, and the next daemon ends what is
left as soon as that QEMU goes on; until then backup-info says that it waits."""

import os
import signal
import time

from pullbacktest import MIB, VM, Daemon, Disk, alive, kill, main, wait_until

STOP_SECONDS = 20
STATUS_LEFT = 3


def start(t, daemon):
    vms = {}
    for name in ("vm1", "vm2", "vm3"):
        image = t.path(f"{name}.raw")
        vms[name] = VM(t, [Disk("vda", size=32 * MIB, path=image)], boot=False)
        daemon.add(vms[name], name=name)
    before = {name: vm.state() for name, vm in vms.items()}
    for name in vms:
        daemon.begin("--checkpoint", "gone", name=name)
    return vms, before


def stop(t, daemon):
    began = time.monotonic()
    daemon.process.send_signal(signal.SIGINT)
    status = daemon.process.wait(timeout=60)
    seconds = time.monotonic() - began
    t.say(f"the daemon ended after {seconds:.1f} s with status {status}")
    t.check(seconds < STOP_SECONDS, f"it took {seconds:.1f} s to end")
    t.check(status == STATUS_LEFT, f"exit status {status}")


def info_says(daemon):
    done = daemon.pullback("backup-info", "vm2", check=False)
    return done.returncode, done.stderr


def next_says_so(t, daemon, vm):
    kill(vm.pid, signal.SIGSTOP)
    daemon.start()
    wait_until(lambda: "is not undone yet: that waits until QEMU can be asked"
               in info_says(daemon)[1], 30, lambda: f"{info_says(daemon)}")
    t.check(info_says(daemon)[0] == 1, f"{info_says(daemon)}")
    kill(vm.pid, signal.SIGCONT)


def test(t):
    daemon = Daemon(t)
    vms, before = start(t, daemon)
    sinks = {name: daemon.pid_of("sink", name) for name in vms}
    kill(vms["vm2"].pid, signal.SIGSTOP)
    t.defer(kill, vms["vm2"].pid, signal.SIGCONT)
    stop(t, daemon)
    with open(daemon.log_path) as log:
        said = log.read()
    kept = [line for line in said.splitlines() if "vm2" in line
            and "next daemon" in line]
    t.check(kept, f"the log does not say what is left: {said}")
    for name in ("vm1", "vm3"):
        vms[name].assert_clean(before[name])
        t.check(not alive(sinks[name]), f"the sink of {name} is left")
        t.check(not os.path.exists(f"{daemon.state}/{name}/job.json"),
                f"the journal of {name} is left")
    t.check(alive(sinks["vm2"]), "the sink of the hung QEMU was ended")
    t.check(os.path.exists(f"{daemon.state}/vm2/job.json"),
            "the journal of the hung QEMU is gone")
    kill(vms["vm2"].pid, signal.SIGCONT)
    # The sink is there all along.
    said = vms["vm2"].qmp.hmp("qemu-io -d /machine/peripheral/vda/"
                              "virtio-backend \"write -P 7 0 65536\"")
    t.check(not said.strip(), f"a write: {said}")
    next_says_so(t, daemon, vms["vm2"])
    wait_until(lambda: not daemon.files_left() and not daemon.children(), 40,
               lambda: f"left: {daemon.children()} {daemon.files_left()}")
    vms["vm2"].assert_clean(before["vm2"])
    wait_until(lambda: "is not undone" not in info_says(daemon)[1], 10,
               lambda: f"when it is undone: {info_says(daemon)}")


main(test)
