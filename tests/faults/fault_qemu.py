# SPDX-License-Identifier: LGPL-2.1-or-later
"""QEMU ends, or the host does, at each stage of a backup, and of the verbs that change
checkpoints."""

import contextlib
import signal
import subprocess
import time

from pullbacktest import Failed, wait_until
from pullbacktest.migration import OVER, migrate

from fault_pull import pulled
from fault_steps import (ABORT, BEGIN, COMMIT, CREATE, DELETE, check_names, go_on,
                         halt, outcome_of)
from table import Row

QCOW2 = {"forms": (("vda", "qcow2"), ("vdb", "qcow2"))}
ENDS = 20                       # seconds that QEMU may take to end
SAVES = 30                      # ... and to be saved twice
# Where the daemon stands meanwhile: the command, and the step of it.
PHASES = {"begin-early": (BEGIN, "attach-sink"), "begin": (BEGIN, "freeze"),
          "pull": None, "commit": (COMMIT, "commit"),
          "end": (COMMIT, "undo-freeze")}
# What comes of the backup where QEMU has gone.
KNOWN = {phase: "committed" if phase in ("commit", "end") else "undone"
         for phase in PHASES}
# Where there is no sink, or it goes.
OTHERS = {"abort": (ABORT, "merge-back"), "create": (CREATE, "create-bitmaps"),
          "create-late": (CREATE, "create-stop-previous"),
          "delete": (DELETE, "delete-intent"),
          "delete-late": (DELETE, "delete-bitmaps")}
OTHERS_KNOWN = {"abort": "aborted", "create": "not created",
                "create-late": ("created", "not created"),
                "delete": "deleted", "delete-late": "deleted"}
ALL = {**PHASES, **OTHERS}


def by_quit(stage):
    stage.vm.qmp.socket.sendall(b'{"execute": "quit"}\n')


def by_sigterm(stage):
    stage.vm.process.terminate()


def by_kill(stage):
    stage.vm.process.kill()


def gone(stage):
    try:
        stage.vm.process.wait(timeout=ENDS)
    except subprocess.TimeoutExpired:
        raise Failed(f"QEMU does not end within {ENDS} s")
    stage.vm.close()


def ended(stage, verb=BEGIN):
    """What became of VERB with a QEMU that has gone; both come back."""
    # One that was told to end left its backup to the next.
    if stage.daemon.process.poll() is not None:
        stage.daemon.start()
    wait_until(lambda: not stage.left_now(), 60,
               lambda: f"left: {stage.left_now()}")
    stage.vm.start()
    # Merged back, or known to be committed, when QEMU is there again.
    wait_until(lambda: stage.daemon.cli("domain-info", "vm1", check=False)
               .returncode == 0, 30, "the daemon does not find QEMU again")
    stage.start_guest()
    outcome = outcome_of(stage, verb)
    check_names(stage, verb, outcome)
    return outcome


def verb_of(phase):
    return ALL[phase][0] if ALL[phase] else BEGIN


@contextlib.contextmanager
def at(stage, phase):
    """What is done within happens while the daemon stands at PHASE."""
    if ALL[phase] is None:
        stage.freeze("--checkpoint", "x", "--incremental", stage.base)
        with stage.reader():
            yield
        return
    verb, step = ALL[phase]
    verb.prepare(stage)
    client = halt(stage, verb, step)
    try:
        yield
        # What needs the daemon waits for it by now.
        time.sleep(0.2)
    finally:
        go_on(stage)
    client.wait(timeout=90)


def ends(how, phase):
    def act(stage):
        with at(stage, phase):
            how(stage)
        gone(stage)
        return ended(stage, verb_of(phase))
    return act


def nothing_more(stage):
    pass


def migrates(phase, before=nothing_more):
    """Into a file, as virsh save does; then it goes on here.  BEFORE (stage) happens
    just then."""
    def act(stage):
        qmp, uri = stage.vm.qmp, f"exec:cat >{stage.t.path('saved')}"
        with at(stage, phase):
            before(stage)
            qmp("migrate", uri=uri)
        wait_until(lambda: qmp("query-migrate")["status"] in OVER, 60,
                   "the migration does not end")
        # It is seen at the next tick.
        wait_until(lambda: stage.settled() == "gone", ENDS,
                   lambda: f"the backup is {stage.state()}")
        # The first try may be over before the backup can yield.
        if qmp("query-migrate")["status"] != "completed":
            qmp("cont")
            status = migrate(stage.vm, uri)
            if status != "completed":
                raise Failed(f"the next migration has {status}")
        qmp("cont")
        outcome = outcome_of(stage, verb_of(phase))
        check_names(stage, verb_of(phase), outcome)
        return outcome
    return act


def refused_savevm(stage):
    said = stage.vm.qmp.hmp("savevm now")
    if "Error" not in said:
        raise Failed(f"savevm says {said!r}")


def saved(phase):
    """Of disks that can have snapshots: refused while the sink is a disk of QEMU's."""
    def act(stage):
        with at(stage, phase):
            said = stage.vm.qmp.hmp("savevm now")
        if "does not support snapshots" not in said:
            raise Failed(f"savevm says {said!r}")
        if phase == "pull":
            return stage.end_backup()
        return outcome_of(stage, PHASES[phase][0])
    return act


def reset(stage):
    stage.vm.guest.close()
    stage.vm.qmp("system_reset")
    stage.vm.meet_guest()
    stage.start_guest(anew=False)


def host_ends(daemon_first, pause):
    """Both get SIGTERM, as when a host shuts down."""
    def act(stage):
        stage.freeze("--checkpoint", "x", "--incremental", stage.base)
        first, second = (stage.daemon.process, stage.vm.process)[
            ::1 if daemon_first else -1]
        with stage.reader():
            first.send_signal(signal.SIGTERM)
            time.sleep(pause)
            second.send_signal(signal.SIGTERM)
            gone(stage)
            stage.daemon.process.wait(timeout=30)
        if stage.daemon.process.returncode != 0:
            raise Failed(f"exit status {stage.daemon.process.returncode}")
        return ended(stage)
    return act


def rows():
    for name, how in (("quit", by_quit), ("sigterm", by_sigterm),
                      ("kill", by_kill)):
        for phase, outcome in {**KNOWN, **OTHERS_KNOWN}.items():
            yield Row(f"qemu/{name}/{phase}", f"QEMU ends ({name}) at {phase}",
                      ends(how, phase), outcome, full=True)
    # What needs no sink goes on.
    for phase, outcome in {**KNOWN, **OTHERS_KNOWN, "create": "created"}.items():
        yield Row(f"qemu/migrate/{phase}", f"the VM is saved at {phase}",
                  migrates(phase), outcome, SAVES, full=True)
    yield Row("qemu/savevm/raw", "savevm during a pull, a disk is raw",
              pulled(refused_savevm), "goes on")
    for phase in PHASES:
        yield Row(f"qemu/savevm/{phase}", f"savevm at {phase}", saved(phase),
                  "committed" if phase in ("commit", "end") else "goes on",
                  stage=QCOW2)
    yield Row("qemu/reset/pull", "the guest is reset during a pull",
              pulled(reset), "goes on")
    for first in "daemon", "qemu":
        for pause in 0, 0.05, 1:
            yield Row(f"host/{first}-first/{pause:g}",
                      f"host shutdown, {first} first by {pause:g} s",
                      host_ends(first == "daemon", pause), KNOWN["pull"],
                      full=True)
