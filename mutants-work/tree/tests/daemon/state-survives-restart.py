#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Domains and checkpoints are on disk; broken files cost their own domain
only, with a sentence that names the file."""

import os

from pullbacktest import Daemon, main
from pullbacktest.refusal import check_error

XML = """<domaincheckpoint>
  <name>{name}</name>{parent}
  <creationTime>{time}</creationTime>
  <disks><disk name='vda' checkpoint='bitmap' size='1048576'/></disks>
</domaincheckpoint>
"""


def put(daemon, domain, name, parent=None, time=1, text=None):
    path = os.path.join(daemon.state, domain, "checkpoints")
    os.makedirs(path, exist_ok=True)
    link = f"<parent><name>{parent}</name></parent>" if parent else ""
    with open(os.path.join(path, name + ".xml"), "w") as f:
        f.write(text or XML.format(name=name, parent=link, time=time))


def put_domain(daemon, folder, text):
    os.makedirs(os.path.join(daemon.state, folder))
    with open(os.path.join(daemon.state, folder, "domain.json"), "w") as f:
        f.write(text)


def put_all(daemon):
    for name in ("vm1", "vm2", "vm3"):
        daemon.register(name, f"/nonexistent/{name}")
    put(daemon, "vm1", "tue", "mon", 5)
    put(daemon, "vm1", "mon", None, 9)
    put(daemon, "vm2", "lost", "gone")
    put(daemon, "vm3", "half", text="<domaincheck")
    put_domain(daemon, "junk", '{"format": 1, "name": "other", "qmp": "/q"}')
    put_domain(daemon, "torn", '{"format": ')


def good_ones_are_there(t, daemon):
    domains = daemon.ask("domain-list")["domains"]
    t.check(sorted(d["name"] for d in domains) == ["vm1", "vm2", "vm3"],
            f"{domains}")
    chain = daemon.ask("checkpoint-list", domain="vm1")["checkpoints"]
    t.check([c["name"] for c in chain] == ["mon", "tue"], f"{chain}")
    tue = daemon.ask("checkpoint-info", domain="vm1", checkpoint="tue")
    t.check(tue["parent"] == "mon" and tue["disks"][0]["bitmap"] == "tue",
            f"{tue}")


def bad_ones_are_named(t, daemon):
    for name in ("junk", "torn"):
        t.check(f"{name}/domain.json" in daemon.log_text(),
                f"{name} not reported")
    for error, domain, words in (("ChainBroken", "vm2", ("gone", "lost")),
                                 ("StorageError", "vm3", ("half.xml",))):
        check_error(t, error, lambda: daemon.ask("checkpoint-list",
                                                 domain=domain), *words)
    check_error(t, "CheckpointNotFound", lambda: daemon.ask(
        "checkpoint-info", domain="vm1", checkpoint="wed"))


def commands_without_a_machine(t, daemon):
    text = daemon.pullback("checkpoint-dumpxml", "vm1", "tue").stdout
    t.check("<name>tue</name>" in text and "<name>mon</name>" in text, text)
    t.check("tue" in daemon.pullback("checkpoint-list", "vm1").stdout, "table")
    for words, saying in ((["backup-begin"], "/nonexistent/vm1"),
                          (["domain-info"], "/nonexistent/vm1"),
                          (["backup-commit"], "vm1"),
                          (["backup-info"], "no backup of vm1")):
        daemon.refuses(*words, "vm1", saying=[saying], status=[1])
    t.check(daemon.ask("backup-list")["backups"] == [], "backup-list")


def removal_says_what_is_lost(t, daemon):
    daemon.refuses("domain-remove", "vm1", status=[1],
                   saying=["2 checkpoints", "--checkpoints-metadata"])
    for name in ("vm1", "vm2", "vm3"):
        daemon.pullback("domain-remove", name, "--checkpoints-metadata")
        t.check(not os.path.exists(os.path.join(daemon.state, name)),
                f"the folder of {name} is left")
    daemon.restart()
    t.check(daemon.ask("domain-list")["domains"] == [], "not removed")


def test(t):
    daemon = Daemon(t)
    put_all(daemon)
    daemon.restart()
    good_ones_are_there(t, daemon)
    daemon.restart()
    good_ones_are_there(t, daemon)
    bad_ones_are_named(t, daemon)
    commands_without_a_machine(t, daemon)
    removal_says_what_is_lost(t, daemon)
    daemon.terminate()


main(test)
