#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""pullback metrics tells of a backup what backup-info does, and every metric
that the dashboard, the alerts and the page on monitoring name is there.  A
domain whose monitor is mute delays nothing."""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import time

from pullbacktest import (MIB, VM, Daemon, Disk, Failed, main, nbdcopy,
                          need, wait_until)
from pullbacktest.fakeqmp import FakeQmp
from pullbacktest.metrics import Metrics, names_in

DOCS = os.path.join(os.environ["PULLBACK_SRCDIR"], "docs")
ALERTS = os.path.join(DOCS, "prometheus-alerts.yml")


def look(daemon):
    text = daemon.pullback("metrics").stdout
    return Metrics(text), text


def expressions():
    """What dashboard and alerts ask for, by where."""
    with open(os.path.join(DOCS, "grafana-dashboard.json")) as f:
        dashboard = json.load(f)
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield f"panel '{panel['title']}'", target["expr"]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield "a variable", variable["query"]
    with open(ALERTS) as f:
        for name, expression in re.findall(
                r"- alert: (\w+)\n +expr: (.*)", f.read()):
            yield name, expression


def named_ones_are_there(t, seen):
    n = 0
    for where, expression in expressions():
        names = names_in(expression)
        t.check(names, f"{where} asks for no metric: {expression}")
        n += len(names)
        for name in names:
            t.check(name in seen, f"{where} asks for {name}, which is not "
                    "printed")
    t.check(n > 25, f"only {n} metrics are asked for")
    with open(os.path.join(DOCS, "monitoring.md")) as f:
        page = f.read()
    for name in re.findall(r"`(pullback_\w+[a-z])`", page):
        t.check(name in seen, f"monitoring.md names {name}")
    with open(ALERTS) as f:
        alerts = set(re.findall(r"- alert: (\w+)", f.read()))
    described = set(re.findall(r"`(Pullback\w+)`", page))
    t.check(alerts == described, f"alerts {alerts ^ described}")


def prometheus_reads(t, text):
    if shutil.which("promtool") is None:
        t.say("promtool (of Debian's prometheus) is not there: rules and "
              "metrics are read by our own parser only")
        return
    for words, given in ((["rules", ALERTS], ""), (["metrics"], text)):
        done = subprocess.run(["promtool", "check", *words], input=given,
                              text=True, capture_output=True, check=False)
        t.check(done.returncode == 0, f"promtool check {words[0]}: "
                f"{done.stdout}{done.stderr}")


def same_as_info(t, daemon, metrics):
    info = daemon.info()
    disk = info["disks"][0]
    name = disk["name"]
    have = {
        "size": metrics.get("pullback_backup_disk_size_bytes", disk=name),
        "frozen": metrics.get("pullback_backup_frozen_seconds"),
        "ready": metrics.get("pullback_backup_state", state="ready"),
        "broken": metrics.get("pullback_backup_state", state="broken"),
        "started": metrics.get("pullback_backup_start_time_seconds"),
        "sink": metrics.get("pullback_backup_process_restarts_total",
                            role="sink"),
        "connected": metrics.get("pullback_domain_connected", domain="vm1"),
        "checkpoints": metrics.get("pullback_domain_checkpoints",
                                   domain="vm1"),
        "fulls": metrics.get("pullback_domain_consecutive_fulls", disk=name),
        "running": metrics.get("pullback_backups_running"),
    }
    want = {"size": disk["size"], "ready": 1, "broken": 0, "sink": 0,
            "frozen": info["frozen-ms"] / 1000, "started": info["started"],
            "connected": 1, "checkpoints": 1, "running": 1,
            "fulls": disk["consecutive-fulls"]}
    t.check(abs(have.pop("frozen") - want.pop("frozen")) < 1e-6, "frozen")
    t.check(have == want, f"have {have}, want {want}")


# Without them some metrics are absent.
LIMITS = ("--scratch-limit", "1G", "--max-rate", "1G")


def waits(t, metrics):
    """The histogram has one bucket for each, and all in the last."""
    buckets = metrics.samples["pullback_backup_scratch_wait_seconds_bucket"]
    values = list(buckets.values())
    t.check(values == sorted(values) and values[-1] ==
            metrics.get("pullback_backup_scratch_wait_seconds_count"),
            f"not cumulative: {buckets}")


def ask_mute(t, daemon):
    return t.start("pullback", "--socket", daemon.socket, "domain-info", "mute",
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def look_while_mute(t, daemon, peer):
    """What the metrics say while one command waits for the QEMU of domain mute, and
    another for its turn; None: it was refused meanwhile."""
    known = len(peer.links)
    first = ask_mute(t, daemon)
    wait_until(lambda: len(peer.links) > known, 20,
               "the daemon does not connect")
    second = ask_mute(t, daemon)
    seen, _ = look(daemon)
    if second.poll() is None:
        return seen
    first.wait()
    return None


def while_mute(t, daemon):
    """Who waits is told by who is first, not by a clock."""
    with FakeQmp(t.path("mute"), "silent") as peer:
        seen = wait_until(lambda: look_while_mute(t, daemon, peer), 60,
                          "metrics wait for domain mute")
    t.check(seen.get("pullback_domain_registered", domain="mute") == 1,
            "mute is not there")
    return seen


def refused_meanwhile(daemon):
    """A start that fails, as its port is in use, leaves the backup alone."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        daemon.more += ["--metrics-listen", str(held.getsockname()[1])]
        with contextlib.suppress(Failed):   # its control socket may answer first
            daemon.start()
        wait_until(lambda: daemon.process.poll() is not None, 30,
                   "a daemon started whose port is in use")
        need(daemon.process.returncode == 1 and "in use" in daemon.log_text(),
             f"it ended with {daemon.process.returncode}: {daemon.log_text()}")
        del daemon.more[-2:]


def adopted(t, daemon):
    """It is counted while it runs, and once it has ended; the new daemon has
    begun none."""
    daemon.begin()
    daemon.leave()
    refused_meanwhile(daemon)
    daemon.start()
    seen, _ = look(daemon)
    t.check(seen.get("pullback_backup_adopted_total", domain="vm1") == 1 and
            seen.get("pullback_backups_begun_total") == 0 and
            seen.get("pullback_backups_running") == 1, f"{seen.samples}")
    daemon.commit()
    records = daemon.cli("backup-list", "vm1", "--history")["history"]
    t.check(len(records) == 3 and records[0]["adopted"] == 1 and
            records[1]["adopted"] == 0, f"{records}")
    seen, _ = look(daemon)
    t.check(seen.get("pullback_backups_ended_total", result="committed") == 1
            and "pullback_backup_adopted_total" not in seen,
            f"{seen.samples}")


def test(t):
    vm = VM(t, [Disk("vda", "raw", 64 * MIB)], boot=False)
    daemon = Daemon(t)
    daemon.register("mute", t.path("mute"))
    daemon.restart()
    daemon.add(vm)
    seen, _ = look(daemon)
    t.check(seen.get("pullback_domain_registered", domain="vm1") == 1 and
            "pullback_domain_last_commit_time_seconds" not in seen, "new")
    backup = daemon.begin("--checkpoint", "one", *LIMITS)
    vm.qmp.hmp("qemu-io -d /machine/peripheral/vda/virtio-backend "
               "\"write 1M 1M\"")
    nbdcopy(backup["disk"]["vda"]["uri"], t.path("pull"))
    running, text = look(daemon)
    same_as_info(t, daemon, running)
    waits(t, running)
    prometheus_reads(t, text)
    daemon.commit()
    daemon.begin("--checkpoint", "two", "--incremental", "one",
                 *LIMITS)
    busy = while_mute(t, daemon)
    named_ones_are_there(t, {**running.samples, **busy.samples})
    daemon.abort()
    after, _ = look(daemon)
    t.check(after.get("pullback_domain_last_backup_info", result="aborted",
                      mode="incremental") == 1, f"{after.samples}")
    t.check("pullback_backup_state" not in after, "a backup that has ended")
    t.check(time.time() - after.get("pullback_domain_last_commit_time_seconds")
            < 600, "no committed backup")
    for result in ("committed", "aborted"):
        t.check(after.get("pullback_backups_ended_total", result=result) == 1,
                f"{result}: {after.samples['pullback_backups_ended_total']}")
    adopted(t, daemon)


main(test)
