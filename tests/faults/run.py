#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: faults
"""Every fault of the tables beside this file happens to a VM whose guest writes
and looks at what it has written.  Printed is what guest and backup had of it.

    run.py [ROW...]     all rows, or these (patterns as of the shell)
    run.py --list       their names
"""

import resource
import sys

import fault_consume
import fault_ending
import fault_files
import fault_libvirt
import fault_memory
import fault_peer
import fault_power
import fault_pull
import fault_qemu
import fault_restore
import fault_steps
import fault_store
from pullbacktest import main
from pullbacktest.loopfs import private_namespace
from table import Runner, chosen, print_table

TABLES = [fault_pull, fault_consume, fault_store, fault_ending, fault_peer,
          fault_qemu, fault_power, fault_files, fault_memory, fault_steps,
          fault_libvirt, fault_restore]


def all_rows():
    return [row for table in TABLES for row in table.rows()]


def test(t):
    private_namespace()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    runner = Runner(t)
    for row in chosen(all_rows(), sys.argv[1:]):
        runner.run(row)
    runner.end_stage()
    print_table(t, runner.results)
    t.say(f"{len(runner.results)} rows; {runner.absent} more have no such "
          "process at that step")
    for result in runner.results:
        for problem in result.problems:
            t.problem(f"{result.row.name}: {problem}")


if sys.argv[1:] == ["--list"]:
    for row in all_rows():
        print(f"{row.name:40} {row.fault}")
    sys.exit()
main(test)
