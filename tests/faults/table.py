# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rows, what became of them, and the table of that."""

import fnmatch
import time

from pullbacktest import Context, Failed

from stage import QUIET, Stage


class Row:
    """NAME and FAULT in words.  ACT (stage) makes it happen, waits until it is
    over and no backup runs, and returns the outcome, which must begin with one
    of OUTCOMES.  LIMIT: seconds that a guest's operation may take.  STAGE: what
    Stage is given; rows of the same one share it.  False: ACT is given the
    test's context and makes all that it needs.  FULL: the next backup may be
    full.  LATE: it tidies up, and nobody before.  JUDGED: False where it is
    there to compare."""

    def __init__(self, name, fault, act, outcomes, limit=QUIET, stage=None,
                 full=False, late=False, judged=True):
        self.name, self.fault, self.act = name, fault, act
        self.outcomes = (outcomes,) if isinstance(outcomes, str) else outcomes
        self.limit = limit
        self.stage = {} if stage is None else stage
        self.full, self.late = full, late
        self.judged = judged


class Result:
    def __init__(self, row):
        self.row = row
        self.errors, self.stall = "-", None
        self.outcome, self.left = "", []
        self.problems = []

    def judge(self):
        if self.errors not in ("-", 0):
            self.problems.append(f"{self.errors} guest errors")
        if self.stall is not None and self.stall > self.row.limit:
            self.problems.append(f"stall of {self.stall:.1f} s")
        if self.left:
            self.problems.append(f"left: {'; '.join(self.left)}")
        if not self.outcome.startswith(self.row.outcomes):
            self.problems.append(f"outcome {self.outcome!r}, want "
                                 f"{' or '.join(self.row.outcomes)}")

    def cells(self):
        stall = "-" if self.stall is None else f"{self.stall:.2f}"
        limit = f"{self.row.limit:g}" if self.row.judged else "-"
        word = "BAD" if self.problems else "good" if self.row.judged else ""
        return (self.row.name, self.row.fault, str(self.errors),
                f"{stall} / {limit}", self.outcome[:OUTCOME],
                str(len(self.left)), word)


class Absent(Exception):
    """The process of a row is not there at that moment: no row."""


OUTCOME = 44                     # characters of it in the table

HEAD = ("row", "fault", "guest errors", "longest stall / limit (s)",
        "backup", "left-overs", "")


def print_table(t, results):
    lines = [HEAD] + [result.cells() for result in results]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
    for line in lines:
        t.say(" | ".join(cell.ljust(width)
                         for cell, width in zip(line, widths)).rstrip())


def chosen(rows, patterns):
    for pattern in patterns:
        if not any(fnmatch.fnmatch(row.name, pattern) for row in rows):
            raise Failed(f"no row is called {pattern}: see --list")
    return [row for row in rows if not patterns or
            any(fnmatch.fnmatch(row.name, pattern) for pattern in patterns)]


class Runner:
    def __init__(self, t):
        self.t = t
        self.stage = self.options = None
        self.results, self.absent = [], 0
        t.defer(self.close_stage)

    def close_stage(self):
        stage, self.stage = self.stage, None
        return stage.close() if stage else []

    def stage_for(self, row):
        if self.stage is None or self.options != row.stage:
            self.end_stage()
            self.t.say("... a new guest boots")
            self.options = row.stage
            self.stage = Stage(**row.stage)
        return self.stage

    def end_stage(self):
        """The last row answers for what comes out then."""
        if self.stage is None:
            return
        problems = []
        wrong = self.stage.stop_guest()
        problems += [f"{wrong} blocks were lost"] if wrong else []
        problems += self.close_stage()
        if self.results:
            self.results[-1].problems += problems

    def act(self, row, result):
        if row.stage is False:
            own = Context("faults")
            try:
                result.outcome = row.act(own)
            finally:
                own.undo_all()
                own.remove_folders()
                result.problems += own.problems
            return
        stage = self.stage_for(row)
        stage.forget_stalls()
        result.outcome = row.act(stage)
        # What a QEMU that ended has lost is seen, and tidied up, then.
        late = row.full or row.late
        if late:
            stage.next_backup(full=row.full)
        result.left = stage.left()
        if not late:
            stage.next_backup()
        result.errors, result.stall = stage.report()

    def run(self, row):
        result = Result(row)
        begin = time.monotonic()
        try:
            self.act(row, result)
        except Absent:
            self.absent += 1
            return
        except Exception as failed:
            result.problems.append(f"{type(failed).__name__}: {failed}")
            self.spoil(result)
        if row.judged:
            result.judge()
        self.results.append(result)
        self.t.say(f"{time.monotonic() - begin:5.1f} s  "
                   + "  ".join(result.cells()))
        for problem in result.problems:
            self.t.say(f"         {problem}")

    def spoil(self, result):
        """The stage may be in any state: what the guest saw, and a new one."""
        if self.stage is None:
            return
        self.t.say(self.stage.daemon.log_text()[-3000:])
        try:
            result.errors, result.stall = self.stage.report()
        except Exception:
            pass
        result.problems += self.close_stage()
