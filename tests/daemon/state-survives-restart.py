#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Domains and checkpoints are on disk; broken files cost their own domain
only, with a sentence that names the file."""

import os

from daemontest import Daemon, check, error_class, refused

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


daemon = Daemon()
for name in ("vm1", "vm2", "vm3"):
    daemon.register(name, f"/nonexistent/{name}")
put(daemon, "vm1", "tue", "mon", 5)
put(daemon, "vm1", "mon", None, 9)
put(daemon, "vm2", "lost", "gone")
put(daemon, "vm3", "half", text="<domaincheck")
os.makedirs(os.path.join(daemon.state, "junk"))
with open(os.path.join(daemon.state, "junk", "domain.json"), "w") as f:
    f.write('{"format": 1, "name": "other", "qmp": "/q"}')
os.makedirs(os.path.join(daemon.state, "torn"))
with open(os.path.join(daemon.state, "torn", "domain.json"), "w") as f:
    f.write('{"format": ')
daemon.restart()

for name in ("junk", "torn"):
    check(f"{name}/domain.json" in daemon.log_text(), f"{name} not reported")
for _ in range(2):
    domains = daemon.ask("domain-list")["return"]["domains"]
    check(sorted(d["name"] for d in domains) == ["vm1", "vm2", "vm3"], domains)
    reply = daemon.ask("checkpoint-list", domain="vm1")["return"]
    check([c["name"] for c in reply["checkpoints"]] == ["mon", "tue"], reply)
    reply = daemon.ask("checkpoint-info", domain="vm1", checkpoint="tue")
    check(reply["return"]["parent"] == "mon", reply)
    check(reply["return"]["disks"][0]["bitmap"] == "tue", reply)
    daemon.restart()

desc = error_class(daemon.ask("checkpoint-list", domain="vm2"), "ChainBroken")
check("gone" in desc and "lost" in desc, desc)
desc = error_class(daemon.ask("checkpoint-list", domain="vm3"),
                   "StorageError")
check("half.xml" in desc, desc)
error_class(daemon.ask("checkpoint-info", domain="vm1", checkpoint="wed"),
            "CheckpointNotFound")
done = daemon.cli("checkpoint-dumpxml", "vm1", "tue")
check("<name>tue</name>" in done.stdout and "<name>mon</name>" in done.stdout,
      done.stdout)
check("tue" in daemon.cli("checkpoint-list", "vm1").stdout, "table")

# Without a running machine: a sentence that names its socket.
refused(daemon.cli("backup-begin", "vm1"), 1, "/nonexistent/vm1")
refused(daemon.cli("domain-info", "vm1"), 1, "/nonexistent/vm1")
refused(daemon.cli("backup-commit", "vm1"), 1, "vm1")
refused(daemon.cli("backup-info", "vm1"), 1, "no backup of vm1")
check(daemon.ask("backup-list")["return"]["backups"] == [], "backup-list")

# Removal says what would be lost, and then it is.
refused(daemon.cli("domain-remove", "vm1"), 1, "2 checkpoints",
        "--checkpoints-metadata")
for name in ("vm1", "vm2", "vm3"):
    done = daemon.cli("domain-remove", name, "--checkpoints-metadata")
    check(done.returncode == 0, done.stderr)
    check(not os.path.exists(os.path.join(daemon.state, name)),
          f"the folder of {name} is left")
daemon.restart()
check(daemon.ask("domain-list")["return"]["domains"] == [], "not removed")
daemon.stop()
