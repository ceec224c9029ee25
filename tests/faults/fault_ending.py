# SPDX-License-Identifier: LGPL-2.1-or-later
"""The sink is stopped, or held by a debugger, and nobody lets it go on, at the moment
when QEMU is told something that it may wait for the sink to do: all of it waits then,
and the guest with it."""

import contextlib
import signal
import time

from pullbacktest import Failed, alive, kill, wait_until
from pullbacktest.debugger import Debugger
from pullbacktest.fakeqmp import QmpProxy

from fault_pull import SINK_LIMIT, pulled
from fault_qemu import KNOWN, SAVES, by_quit, by_sigterm, ends, migrates
from fault_steps import COMMIT, begin_backup, go_on, halt, outcome_of
from stage import QUIET
from table import Row

# It is seen to be stopped, killed, started again, and found by QEMU.
FOUND = QUIET + 2
# (command of QEMU, which one of that name)
ENDS = (("query-jobs", 1), ("job-cancel", 1), ("job-cancel", 2),
        ("blockdev-del", 1), ("blockdev-del", 2))
BEGINS = (("nbd-server-start", 1), ("transaction", 1), ("block-export-add", 1))
# Where a debugger holds it, it is killed after the limit, or 10 s where there is none.
HELD = SINK_LIMIT + FOUND
UNLIMITED = ["--sink-limit", "0"]


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


@contextlib.contextmanager
def told(stage, words, command, number):
    """pullback WORDS, which has ended when this is left: QEMU is told COMMAND
    afterwards.  The outcome, in a list."""
    stage.monitor.hold(command, number)
    client, outcome = stage.daemon.beside(*words), []
    try:
        wait_until(lambda: stage.monitor.holds() or client.poll() is not None,
                   60, f"no {command}")
        yield outcome
    finally:
        stage.monitor.off()
    said = client.stderr.read()
    outcome.append("ended" if client.wait(timeout=120) == 0
                   else f"failed: {said}")


def stopped_at(stage, words, command, number, late=False):
    """LATE: QEMU takes the command when the sink has been seen to."""
    with told(stage, words, command, number) as outcome:
        stop_sink(stage)
        if late:
            wait_for_sinks(stage)
    return outcome[0]


def held_at(stage, words, command, number):
    with contextlib.ExitStack() as held:
        with told(stage, words, command, number) as outcome:
            for pid in stage.pids("sink"):
                held.enter_context(Debugger(pid))
    return outcome[0]


def end_stopped(verb, command, number, by=stopped_at):
    def act(stage):
        stage.freeze("--checkpoint", "x", "--incremental", stage.base)
        return by(stage, [f"backup-{verb}", "vm1"], command, number)
    return act


def late(*words):
    return stopped_at(*words, late=True)


def begin_stopped(command, number, by=stopped_at):
    def act(stage):
        words = ["backup-begin", "vm1", "--checkpoint", "x", "--incremental",
                 stage.base]
        outcome = by(stage, words, command, number)
        if stage.settled() == "ready":
            stage.daemon.abort()
        return outcome
    return act


def sink_held(stage):
    pid = stage.pids("sink")[0]
    with Debugger(pid):
        wait_until(lambda: not alive(pid) and stage.pids("sink"), HELD,
                   "there is no other sink")
        # While the debugger still has what is left of that one.
        stage.pull()


def held_before(verb):
    """The backup is ended when the sink is held already."""
    def act(stage):
        stage.freeze("--checkpoint", "x", "--incremental", stage.base)
        with Debugger(stage.pids("sink")[0]):
            stage.daemon.cli(f"backup-{verb}", "vm1", timeout=120)
        return "ended"
    return act


def paused(stage):
    stop_sink(stage)
    stage.vm.pause()
    stage.vm.resume()


def stopped_and(what):
    def act(stage):
        stop_sink(stage)
        what(stage)
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


def stopped_rows(stage):
    for verb in "commit", "abort":
        for command, number in ENDS:
            yield Row(f"stopped/{verb}/{command}-{number}", "SIGSTOP of the sink "
                      f"at {command} {number} of {verb}",
                      end_stopped(verb, command, number), "ended", FOUND, stage)
        for number in 1, 2:
            yield Row(f"stopped/{verb}/late-job-cancel-{number}", "SIGSTOP of "
                      f"the sink before QEMU takes job-cancel {number} of {verb}",
                      end_stopped(verb, "job-cancel", number, late),
                      "ended", FOUND, stage)
    yield Row("stopped/recovery", "SIGSTOP of the sink, kill -9 of the daemon "
              "amid commit", daemon_killed, "committed", FOUND, stage)
    for command, number in BEGINS:
        yield Row(f"stopped/begin/{command}-{number}", "SIGSTOP of the sink at "
                  f"{command} {number} of begin",
                  begin_stopped(command, number), "ended", FOUND, stage)


def held_rows(stage):
    yield Row("held/pull", "a debugger holds the sink during a pull",
              pulled(sink_held), "goes on", HELD, stage)
    stage = {**stage, "more": UNLIMITED}
    for verb in "commit", "abort":
        yield Row(f"held/{verb}/before", "a debugger holds the sink before "
                  f"{verb}, no limit", held_before(verb), "ended", HELD, stage)
        for command in "query-jobs", "job-cancel", "blockdev-del":
            yield Row(f"held/{verb}/{command}", "a debugger holds the sink at "
                      f"{command} of {verb}, no limit",
                      end_stopped(verb, command, 1, held_at), "ended", HELD,
                      stage)
    yield Row("held/begin/transaction", "a debugger holds the sink at the "
              "transaction of begin, no limit",
              begin_stopped("transaction", 1, held_at), "ended", HELD, stage)


def qemu_rows():
    for phase, outcome in KNOWN.items():
        for name, how in ("quit", by_quit), ("sigterm", by_sigterm):
            yield Row(f"stopped/{name}/{phase}", f"SIGSTOP of the sink, QEMU ends "
                      f"({name}) at {phase}", ends(stopped_and(how), phase),
                      outcome, full=True)
        yield Row(f"stopped/migrate/{phase}", "SIGSTOP of the sink, the VM is "
                  f"saved at {phase}", migrates(phase, stop_sink), outcome, SAVES,
                  full=True)
    yield Row("stopped/pause/pull", "SIGSTOP of the sink, the VM is paused",
              pulled(paused), "goes on", SINK_LIMIT + QUIET)


def rows():
    stage = {"monitor": holding, "rate": 300}
    yield from stopped_rows(stage)
    yield from held_rows(stage)
    yield from qemu_rows()
