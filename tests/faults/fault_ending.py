# SPDX-License-Identifier: LGPL-2.1-or-later
"""The sink is stopped, and nobody lets it go on, at the moment when QEMU is told
something that it may wait for the sink to do: all of it waits then, and the guest
with it."""

import signal
import time

from pullbacktest import Failed, kill, wait_until
from pullbacktest.fakeqmp import QmpProxy

from fault_steps import COMMIT, begin_backup, go_on, halt, outcome_of
from stage import QUIET
from table import Row

# It is seen to be stopped, killed, started again, and found by QEMU.
FOUND = QUIET + 2
# (command of QEMU, which one of that name)
ENDS = (("query-jobs", 1), ("job-cancel", 1), ("job-cancel", 2),
        ("blockdev-del", 1), ("blockdev-del", 2))
BEGINS = (("nbd-server-start", 1), ("transaction", 1), ("block-export-add", 1))


def holding(t, vm):
    return QmpProxy(t, vm, "holding", "hold", switched=True)


def stop_sink(stage):
    for pid in stage.pids("sink"):
        kill(pid, signal.SIGSTOP)


def is_stopped(pid):
    """Not one that is killed, whether it has been waited for or not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] == "T"
    except OSError:
        return False


def wait_for_sinks(stage):
    """Until they have just been killed, or told to go on."""
    sinks = stage.pids("sink")
    end = time.monotonic() + 60
    while any(map(is_stopped, sinks)):
        if time.monotonic() > end:
            raise Failed("nobody sees to the stopped sink")
        time.sleep(0.002)


def stopped_at(stage, words, command, number, late=False):
    """pullback WORDS: where QEMU is told COMMAND the sink is stopped.  LATE: QEMU
    takes the command when the sink has been seen to."""
    stage.monitor.hold(command, number)
    client = stage.client(*words)
    try:
        wait_until(lambda: stage.monitor.holds() or client.poll() is not None,
                   60, f"no {command}")
        stop_sink(stage)
        if late:
            wait_for_sinks(stage)
    finally:
        stage.monitor.off()
    said = client.stderr.read()
    return "ended" if client.wait(timeout=120) == 0 else f"failed: {said}"


def end_stopped(verb, command, number, late=False):
    def act(stage):
        stage.freeze("--checkpoint", "x", "--incremental", stage.base)
        return stopped_at(stage, [f"backup-{verb}", "vm1"], command, number,
                          late)
    return act


def begin_stopped(command, number):
    def act(stage):
        words = ["backup-begin", "vm1", "--checkpoint", "x", "--incremental",
                 stage.base]
        outcome = stopped_at(stage, words, command, number)
        if stage.settled() == "ready":
            stage.daemon.abort()
        return outcome
    return act


def daemon_killed(stage):
    """Whose child the sink was: the next daemon ends what this one had begun."""
    begin_backup(stage)
    client = halt(stage, COMMIT, "undo-export")
    stage.kill("daemon")
    go_on(stage)
    stop_sink(stage)
    stage.daemon.start()
    client.wait(timeout=90)
    return outcome_of(stage, COMMIT)


def rows():
    stage = {"monitor": holding, "rate": 300}
    for verb in "commit", "abort":
        for command, number in ENDS:
            yield Row(f"stopped/{verb}/{command}-{number}", "SIGSTOP of the sink "
                      f"at {command} {number} of {verb}",
                      end_stopped(verb, command, number), "ended", FOUND, stage)
        for number in 1, 2:
            yield Row(f"stopped/{verb}/late-job-cancel-{number}", "SIGSTOP of "
                      f"the sink before QEMU takes job-cancel {number} of {verb}",
                      end_stopped(verb, "job-cancel", number, late=True),
                      "ended", FOUND, stage)
    yield Row("stopped/recovery", "SIGSTOP of the sink, kill -9 of the daemon "
              "amid commit", daemon_killed, "committed", FOUND, stage)
    for command, number in BEGINS:
        yield Row(f"stopped/begin/{command}-{number}", "SIGSTOP of the sink at "
                  f"{command} {number} of begin",
                  begin_stopped(command, number), "ended", FOUND, stage)
