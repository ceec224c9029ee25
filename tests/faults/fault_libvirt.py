# SPDX-License-Identifier: LGPL-2.1-or-later
"""Of a VM of libvirt's: libvirtd is killed and started again, and what speaks to it for the
daemon (pullback-libvirt) killed or stopped, at each step of each verb."""

import json
import signal
import time

from pullbacktest import Failed, alive, kill, run, wait_until
from pullbacktest.liststeps import listed_steps

from fault_memory import MemoryGroup
from fault_pull import PAUSE, pulled, resume
from fault_steps import (ABORT, ADOPT, BEGIN, BEGIN_QUIESCED, COMMIT, CREATE,
                         CREATE_QUIESCED, DELETE, FROZEN, JOBS, THAWED,
                         check_names, comes_to, go_on, halt)
from table import Absent, Row

# What has no answer is given up sooner, by this factor.
LIBVIRT = {"libvirt": True, "env": {"PULLBACK_HURRY": "4"}}
AGENT = {**LIBVIRT, "agent": True}
VERBS = (ADOPT, BEGIN, COMMIT, ABORT, CREATE, DELETE)
# Nobody looks after what one of these leaves before the next that changes checkpoints.
LATE = (CREATE, CREATE_QUIESCED, DELETE)
BACK = 60                       # seconds until libvirt and daemon have found each other


class Gone:
    """libvirtd, until the command has ended."""
    what = "libvirtd killed, back later"

    def hurt(self, stage):
        stage.libvirtd.kill9()

    def heal(self, stage):
        stage.libvirtd.start_again()


class Restarted(Gone):
    what = "libvirtd killed, back at once"

    def hurt(self, stage):
        super().hurt(stage)
        super().heal(stage)

    def heal(self, stage):
        pass


class Killed:
    what = "kill -9 of pullback-libvirt"

    def hurt(self, stage):
        if not stage.pids("helper"):
            raise Absent
        stage.kill("helper")

    def heal(self, stage):
        pass


class Stopped(Killed):
    what = "pullback-libvirt stopped"

    def hurt(self, stage):
        self.pids = stage.pids("helper")
        if not self.pids:
            raise Absent
        for pid in self.pids:
            kill(pid, signal.SIGSTOP)

    def heal(self, stage):
        for pid in self.pids:
            resume(pid)


WAYS = {"libvirtd": Gone, "libvirtd-restarted": Restarted, "helper": Killed,
        "helper-stopped": Stopped}


def over(stage, ready=True):
    """Waits until the backup runs, if it may, or is over, and no command is unanswered: its
    state."""
    def look():
        state = stage.state()
        if state == "ready" and ready:
            return state
        return "gone" if not state and not stage.left_now() else None
    found = wait_until(look, BACK, lambda: f"the backup is {stage.state()!r}, "
                       f"left {stage.left_now()}")
    wait_until(lambda: stage.daemon.cli("domain-info", "vm1", check=False)
               .returncode == 0, BACK, "libvirt and daemon do not find each other")
    return found


def begun(stage, failed):
    state = over(stage)
    if (state == "gone") != failed:
        raise Failed(f"the command {'failed' if failed else 'succeeded'}, "
                     f"but the backup is {state}")
    if failed:
        return "undone"
    for disk in stage.daemon.info()["disks"]:
        run("nbdcopy", disk["uri"], "null:")
    stage.daemon.abort()
    return "goes on"


def ended(stage, verb, failed):
    """One that failed has changed nothing, and is to be tried again."""
    name = {COMMIT: "committed", ABORT: "aborted"}[verb]
    if not failed:
        over(stage, ready=False)
        return name
    wait_until(lambda: stage.daemon.cli(*verb.words, check=False)
               .returncode == 0, BACK, f"{verb.name} fails")
    over(stage, ready=False)
    return f"{name} at the next try"


def changed(stage, verb, failed):
    over(stage)
    if verb is not DELETE:
        return "not created" if failed else "created"
    # What has been begun is done by the next that changes checkpoints.
    return "deleted"


def came_of(stage, verb, failed):
    """The outcome, which what the command said must fit."""
    if verb in (BEGIN, ADOPT, BEGIN_QUIESCED):
        outcome = begun(stage, failed)
    elif verb in (COMMIT, ABORT):
        outcome = ended(stage, verb, failed)
    else:
        outcome = changed(stage, verb, failed)
    check_names(stage, verb, outcome.split(" at ")[0])
    return outcome


def told(stage, verb, client):
    """Did it fail?  Then by a sentence."""
    err = client.communicate(timeout=90)[1].strip()
    if client.returncode == 0 or verb is ADOPT:
        return False
    if len(err.splitlines()) != 1 or len(err) > 1000:
        raise Failed(f"not one sentence: {err!r}")
    return True


def hurt_at(verb, step, way):
    def act(stage):
        verb.prepare(stage)
        client = halt(stage, verb, step)
        absent = False
        try:
            way.hurt(stage)
        except Absent:
            absent = True
        finally:
            go_on(stage)
        try:
            failed = told(stage, verb, client)
        finally:
            if not absent:
                way.heal(stage)
        outcome = came_of(stage, verb, failed)
        if absent:
            stage.next_backup()
            raise Absent
        return outcome
    return act


def thawed(stage):
    """By what the agent says."""
    said = stage.libvirtd.virsh(
        "qemu-agent-command", "vm1", '{"execute": "guest-fsfreeze-status"}',
        check=False, timeout=THAWED)
    return said.returncode == 0 and \
        json.loads(said.stdout)["return"] == "thawed"


def hurt_frozen(verb, step, way):
    hurts = hurt_at(verb, step, way)

    def act(stage):
        outcome = hurts(stage)
        wait_until(lambda: thawed(stage), THAWED, "it stays frozen")
        return outcome
    return act


# --- while a backup is pulled

def while_pulled(way, pause=0):
    def fault(stage):
        way.hurt(stage)
        try:
            time.sleep(pause)
        finally:
            way.heal(stage)
        wait_until(lambda: stage.daemon.cli("domain-info", "vm1", check=False)
                   .returncode == 0, BACK, "libvirt and daemon do not find each other")
    return pulled(fault)


def watch_killed(stage):
    pids = stage.pids("watch")
    stage.kill("watch")
    wait_until(lambda: set(stage.pids("watch")) - set(pids), BACK,
               "nothing watches libvirt's machines")


def out_of_memory(stage):
    """What speaks to libvirt has none for what it is asked next."""
    pids = stage.pids("helper")

    def asked():
        stage.daemon.cli("domain-info", "vm1", check=False)
        return not any(map(alive, pids))
    with MemoryGroup.find() as group:
        for pid in pids:
            group.add(pid)
        group.close_in()
        wait_until(asked, 30, "it lives without memory")


def places():
    listed = listed_steps()
    names = [step for _, step in listed]
    return [(verb, step) for verb in VERBS for job, step in listed
            if verb in JOBS[job] and comes_to(verb, step, names)]


def outcomes(verb):
    return {BEGIN: ("undone", "goes on"), ADOPT: ("goes on",),
            COMMIT: ("committed",), ABORT: ("aborted",),
            CREATE: ("created", "not created"), DELETE: ("deleted",),
            BEGIN_QUIESCED: ("undone", "goes on"),
            CREATE_QUIESCED: ("created", "not created")}[verb]


def rows():
    for verb, step in places():
        for who, way in WAYS.items():
            yield Row(f"libvirt/{verb.name}/{step}/{who}",
                      f"{way.what}, at {step} of {verb.name}",
                      hurt_at(verb, step, way()), outcomes(verb), stage=LIBVIRT,
                      late=verb in LATE)
    for who, way in WAYS.items():
        yield Row(f"libvirt/pull/{who}", f"{way.what}, during a pull",
                  while_pulled(way(), PAUSE), "goes on", stage=LIBVIRT)
    yield Row("libvirt/pull/watch", "kill -9 of pullback-libvirt --watch",
              pulled(watch_killed), "goes on", stage=LIBVIRT)
    if MemoryGroup.find():
        yield Row("libvirt/pull/memory", "no memory for pullback-libvirt",
                  pulled(out_of_memory), "goes on", stage=LIBVIRT)
    for verb, steps in FROZEN.items():
        for step in steps:
            for who, way in WAYS.items():
                yield Row(f"libvirt/{verb.name}/{step}/{who}",
                          f"{way.what}, at {step} of {verb.name}",
                          hurt_frozen(verb, step, way()), outcomes(verb),
                          stage=AGENT, late=verb in LATE)
