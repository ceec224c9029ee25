#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each table of steps is on the daemon's list, and at each step of that a row of
tests/faults/run.py kills each of the processes.  (The daemon at those of restores
tests/restore/stop-after-each-step.py kills.)"""

import os
import re
import subprocess
import sys

from pullbacktest import main, need
from pullbacktest.liststeps import listed_steps

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
VICTIMS = ("daemon", "sink", "view", "gateway", "cli", "daemon+sink")
OF_RESTORES = ("client", "gateway", "plugin", "storage")


def sources():
    """(name, text) of the daemon's."""
    for folder, _, files in os.walk(os.path.join(TOP, "backupd")):
        for file in files:
            if file.endswith(".c") and not file.startswith("test-"):
                with open(os.path.join(folder, file)) as stream:
                    yield file, stream.read()


def tables_are_listed(t, names):
    """Points that are in no table, too."""
    texts = dict(sources())
    listed = re.findall(r"\b(\w+),\s+&\w+ \},", texts["step-groups.c"])
    need("backup_steps" in listed, f"step-groups.c lists {listed}")
    tables = 0
    for file, text in texts.items():
        for name in re.findall(r'steps_stop_after \("([^"]+)"\)', text):
            t.check(name in names, f"{file}: --list-steps lacks {name}")
        for table in re.findall(r"struct step (\w+) ?\[.*\] =", text):
            tables += 1
            t.check(table in listed, f"step-groups.c lacks {table} of {file}")
    t.say(f"{tables} tables, {len(names)} steps")


def steps_have_rows(t, listed):
    program = os.path.join(TOP, "tests", "faults", "run.py")
    done = subprocess.run([sys.executable, program, "--list"], text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    need(done.returncode == 0, "run.py --list fails")
    rows = [line.split()[0].split("/") for line in done.stdout.splitlines()]
    have = {tuple(row[1:]) for row in rows if len(row) == 3}
    for job, step in listed:
        for victim in OF_RESTORES if job.startswith("restore-") else VICTIMS:
            t.check((step, victim) in have,
                    f"no row kills the {victim} at {step}")
    repeated = {"/".join(row) for row in rows if rows.count(row) > 1}
    t.check(not repeated, f"two rows are called {sorted(repeated)}")
    t.say(f"{len(rows)} rows")


def test(t):
    listed = listed_steps()
    names = [step for _, step in listed]
    t.check(len(set(names)) == len(names), "two steps have one name")
    tables_are_listed(t, names)
    steps_have_rows(t, listed)


main(test)
