# SPDX-License-Identifier: LGPL-2.1-or-later
"""kill -9 of each process at each step of each verb.  The steps are the
daemon's own list; it halts at one (PULLBACK_PAUSE) while the process dies."""

import os
import subprocess

from pullbacktest import Failed, run, wait_until
from pullbacktest.fakeqmp import QmpProxy
from pullbacktest.liststeps import listed_steps

from stage import QUIET, RECONNECT
from table import Absent, Row

VICTIMS = [("daemon",), ("sink",), ("view",), ("gateway",), ("cli",),
           ("daemon", "sink")]
LIMITS = {("daemon", "sink"): RECONNECT}


def nothing(stage):
    pass


def begin_backup(stage):
    stage.daemon.begin("--checkpoint", "x", "--incremental", stage.base)


def two_checkpoints(stage):
    for name in "yz":
        stage.daemon.cli("checkpoint-create", "vm1", name)


def refusing(t, vm):
    return QmpProxy(t, vm, "refusing", "refuse=transaction", switched=True)


def refuse(stage):
    stage.monitor.on()


class Verb:
    """WORDS of the command that comes to the steps after PREPARE.  OUTCOMES
    (step, victims): what may come of it, see outcome_of.  BASE: the words end
    in --incremental and the base.  REFUSED: QEMU refuses the transaction.
    STAGE: see Row."""

    def __init__(self, name, words, prepare, outcomes, base=False,
                 refused=False, stage=None):
        self.name, self.words, self.prepare = name, words, prepare
        self.outcomes, self.base, self.refused = outcomes, base, refused
        self.stage = {"monitor": refusing} if refused else stage or {}

    def command(self, stage):
        more = ["--incremental", stage.base] if self.base else []
        return [*self.words, *more]


def after_begin(step, victims):
    # From the last step on the next daemon may go on with it.
    return ("undone", "goes on") if "daemon" in victims else ("goes on",)


def after_create(step, victims):
    if "daemon" not in victims or step == "create-commit":
        return ("created",)
    return ("not created",)


BEGIN = Verb("begin", ["backup-begin", "vm1", "--checkpoint", "x"], nothing,
             after_begin, base=True)
COMMIT = Verb("commit", ["backup-commit", "vm1"], begin_backup,
              lambda *_: ("committed",))
ABORT = Verb("abort", ["backup-abort", "vm1"], begin_backup,
             lambda *_: ("aborted",))
CREATE = Verb("create", ["checkpoint-create", "vm1", "x"], nothing,
              after_create)
# Then the undo of a command that fails is what the process dies in.
BEGIN_REFUSED = Verb("begin-refused", BEGIN.words, refuse,
                     lambda *_: ("undone",), base=True, refused=True)
CREATE_REFUSED = Verb("create-refused", CREATE.words, refuse,
                      lambda *_: ("not created",), refused=True)
DELETE = Verb("delete", ["checkpoint-delete", "vm1", "y"], two_checkpoints,
              lambda *_: ("deleted",))
CHILDREN = Verb("delete-children", ["checkpoint-delete", "vm1", "y",
                                    "--children"], two_checkpoints,
                lambda *_: ("deleted",))
AGENT = {"agent": True}
BEGIN_QUIESCED = Verb("begin-quiesced", [*BEGIN.words, "--quiesce"], nothing,
                      after_begin, base=True, stage=AGENT)
CREATE_QUIESCED = Verb("create-quiesced", [*CREATE.words, "--quiesce"],
                       nothing, after_create, stage=AGENT)
# What a daemon does that finds a backup running: no command.
ADOPT = Verb("adopt", [], begin_backup, lambda *_: ("goes on", "undone"))
# By the job that --list-steps names.
JOBS = {"adopt": [ADOPT], "begin": [BEGIN], "commit": [COMMIT],
        "end": [COMMIT, ABORT, BEGIN_REFUSED], "abort": [ABORT],
        "create": [CREATE, CREATE_REFUSED], "delete": [DELETE, CHILDREN],
        # These are no machine's: fault_restore.py.
        "restore-begin": [], "restore-adopt": [], "restore-commit": [],
        "restore-abort": []}
# Where the guest is frozen, by whom it is.
FROZEN = {BEGIN_QUIESCED: ("quiesce", "freeze"),
          CREATE_QUIESCED: ("create-quiesce", "create-bitmaps")}
FREEZERS = [("quiesce",), ("daemon",), ("daemon", "quiesce")]
THAWED = 40                     # seconds until another one has
# The step that fails where QEMU refuses: the undos of those up to it run.
FAILS = {BEGIN_REFUSED: "freeze", CREATE_REFUSED: "create-bitmaps"}
UNDO = "undo-"
# Besides the base, by what the outcome is called.
CHECKPOINTS = {"undone": [], "goes on": [], "aborted": [], "not created": [],
               "committed": ["x"], "created": ["x"], "deleted": []}


def outcome_of(stage, verb):
    """What came of VERB; a backup that runs is pulled and aborted."""
    state = stage.settled()
    begins = verb in (BEGIN, BEGIN_REFUSED, BEGIN_QUIESCED, ADOPT)
    if state == "ready" and begins:
        for disk in stage.daemon.info()["disks"]:
            run("nbdcopy", disk["uri"], "null:")
        stage.daemon.abort()
        return "goes on"
    if state != "gone":
        stage.daemon.abort()
        return state
    names = stage.checkpoints()
    if begins:
        return "undone"
    if verb in (CREATE, CREATE_REFUSED, CREATE_QUIESCED):
        return "created" if "x" in names else "not created"
    if verb in (DELETE, CHILDREN):
        return "not deleted" if "y" in names else "deleted"
    return ("aborted" if verb is ABORT else "not committed") \
        if "x" not in names else "committed"


def check_names(stage, verb, outcome):
    want = [stage.base] + CHECKPOINTS.get(outcome, [])
    if verb is DELETE:
        want.append("z")
    have = stage.checkpoints()
    if have != want:
        raise Failed(f"checkpoints {have}, want {want}")


def halt(stage, verb, step):
    """The command, and the daemon at STEP of it."""
    with open(stage.pause + ".new", "w") as stream:
        stream.write(step)
    os.rename(stage.pause + ".new", stage.pause)
    if verb is ADOPT:
        stage.daemon.kill9()
        stage.daemon.start()
    client = stage.daemon.beside(*verb.command(stage) or ["domain-list"])

    def done():
        return verb is not ADOPT and client.poll() is not None
    try:
        wait_until(lambda: os.path.exists(stage.pause + ".paused") or done(),
                   60, f"neither at {step} nor done")
        if done():
            raise Failed(f"did not come to {step}: {client.stderr.read()}")
    except Failed:
        for end in "", ".paused":
            if os.path.exists(stage.pause + end):
                os.unlink(stage.pause + end)
        raise
    return client


def go_on(stage):
    os.unlink(stage.pause + ".paused")


def there(stage, verb, victims):
    return all(verb is not ADOPT if victim == "cli" else stage.pids(victim)
               for victim in victims)


def kill_at(stage, verb, step, victims):
    known = stage.present.get((verb, step, victims))
    if known is False:
        raise Absent
    verb.prepare(stage)
    client = halt(stage, verb, step)
    for other in {*VICTIMS, victims}:
        stage.present[verb, step, other] = there(stage, verb, other)
    present = stage.present[verb, step, victims]
    try:
        if present and victims == ("cli",):
            client.kill()
        elif present:
            stage.kill(*victims)
    finally:
        if verb.refused:
            stage.monitor.off()
        go_on(stage)
    if present and "daemon" in victims:
        stage.daemon.start()
    client.wait(timeout=90)
    outcome = outcome_of(stage, verb)
    check_names(stage, verb, outcome)
    if not present:
        stage.next_backup()
        raise Absent
    return outcome


def comes_to(verb, step, names):
    """Does VERB come to STEP of the daemon's list of NAMES?"""
    undo = step.startswith(UNDO)
    if not verb.refused:
        return not (undo and verb is CREATE)
    before = names[:names.index(FAILS[verb])]
    return undo and step[len(UNDO):] in before + [FAILS[verb]]


def places():
    """(verb, step) of all that the daemon lists, one kind of stage after the
    other."""
    listed = listed_steps()
    names = [step for _, step in listed]
    found = [(verb, step) for job, step in listed for verb in JOBS[job]
             if comes_to(verb, step, names)]
    return sorted(found, key=lambda place: place[0].refused)


def thaws(stage):
    """Its agent freezes the guest again, which it does not when it is frozen."""
    return subprocess.run(
        ["pullback-quiesce", "--agent", stage.vm.agent_path, "--limit", "1"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL).returncode == 0


def frozen_rows():
    for verb, steps in FROZEN.items():
        for step in steps:
            for victims in FREEZERS:
                def act(stage, verb=verb, step=step, victims=victims):
                    outcome = kill_at(stage, verb, step, victims)
                    wait_until(lambda: thaws(stage), THAWED, "it stays frozen")
                    return outcome
                who = "+".join(victims)
                yield Row(f"{verb.name}/{step}/{who}",
                          f"kill -9 of {who} at {step} of {verb.name}", act,
                          verb.outcomes(step, victims), QUIET, verb.stage)


def rows():
    yield from frozen_rows()
    for verb, step in places():
        for victims in VICTIMS:
            def act(stage, verb=verb, step=step, victims=victims):
                return kill_at(stage, verb, step, victims)
            who = "+".join(victims)
            yield Row(f"{verb.name}/{step}/{who}",
                      f"kill -9 of {who} at {step} of {verb.name}", act,
                      verb.outcomes(step, victims),
                      LIMITS.get(victims, QUIET), verb.stage)
