#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every mutant is caught: makes each wrong on purpose in a copy of the tree,
builds, and runs the test that is named for it, which must fail.

    run.py [--work FOLDER] [--limit SECONDS] [WORD...]
                                         all, or those with WORD in their name
    run.py --look [WORD...]              only sees that they could be made

A mutant is a file NAME.mutant beside this one (or several in it, one after the
other; NAME is then what its "mutant:" line says):

    mutant: NAME
    file: PATH
    test: ROOM/test-UNIT, threads:ROOM/test-UNIT (with the thread sanitizer), or
          tests/FOLDER/SCRIPT [ARGUMENT...]
    <<<<
    text that is in the file exactly once
    ====
    what it becomes
    >>>>

One whose text is not there any more is a failure (tests/style/mutants.sh tells
at once), and so is one that does not build.  A test that hangs has caught its
mutant."""

import argparse
import collections
import functools
import glob
import os
import re
import shutil
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
LIMIT = 60                      # of a test, seconds, where the machine is not busy

Mutant = collections.namedtuple("Mutant", "name file test old new")

FORM = re.compile(r"^mutant: (\S+)\nfile: (\S+)\ntest: (\S+(?: \S+)*)\n"
                  r"<<<<\n(.*?)^====\n(.*?)^>>>>\n", re.M | re.S)


def read_mutants(words):
    found = []
    for path in sorted(glob.glob(os.path.join(HERE, "*.mutant"))):
        with open(path) as stream:
            text = stream.read()
        here = [Mutant(*m.group(1, 2, 3), m[4][:-1], m[5][:-1])
                for m in FORM.finditer(text)]
        if len(here) != len(re.findall(r"^mutant: ", text, re.M)):
            sys.exit(f"{path}: not in the form that run.py describes")
        found += here
    names = [m.name for m in found]
    if len(set(names)) != len(names):
        sys.exit("two mutants have the same name")
    return [m for m in found
            if not words or any(word in m.name for word in words)]


def quietly(command, folder, limit=900):
    """(exit status or None for too long, what it said)"""
    process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True,
                               errors="replace", start_new_session=True)
    try:
        said = process.communicate(timeout=limit)[0]
        return process.returncode, said
    except subprocess.TimeoutExpired:
        # It cleans up at SIGTERM, if it can.
        for number in signal.SIGTERM, signal.SIGKILL:
            os.killpg(process.pid, number)
            try:
                return None, process.communicate(timeout=15)[0]
            except subprocess.TimeoutExpired:
                pass
        return None, ""


def must(command, folder):
    status, said = quietly(command, folder)
    if status != 0:
        sys.exit(f"{' '.join(command)}: status {status}\n{said[-3000:]}")


class Tree:
    """A copy of the tree, and what is built in it."""

    def __init__(self, folder, limit):
        self.folder, self.limit = os.path.join(folder, "tree"), limit
        shutil.rmtree(self.folder, ignore_errors=True)
        names = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others",
             "--exclude-standard"], cwd=TOP, check=True, text=True,
            stdout=subprocess.PIPE).stdout
        for name in filter(None, names.split("\0")):
            source, target = (os.path.join(t, name)
                              for t in (TOP, self.folder))
            if os.path.exists(source):
                os.makedirs(os.path.dirname(target), exist_ok=True)
                shutil.copy2(source, target)
        must(["autoreconf", "-fi"], self.folder)
        self.built = set()

    def build_folder(self, kind):
        folder = os.path.join(self.folder, "build-" + (kind or "plain"))
        if kind not in self.built:
            os.makedirs(folder)
            compiler = "ccache gcc" if shutil.which("ccache") else "gcc"
            must(["../configure", "--enable-stop-after", "CC=" + compiler,
                  "CFLAGS=-O1 -g",
                  *(["--enable-sanitizers=thread"] if kind else [])], folder)
            self.built.add(kind)
        return folder

    def build(self, test):
        """None, or what make said."""
        kind, unit = "", test
        if test.startswith("threads:"):
            kind, unit = test.split(":")
        folder = self.build_folder(kind)
        jobs = f"-j{os.cpu_count()}"
        if unit.startswith("tests/"):
            steps = [["make", jobs]]
        else:
            room, name = unit.split("/")
            steps = [["make", jobs, "-C", "proto"],
                     ["make", jobs, "-C", room, name]]
        for step in steps:
            status, said = quietly(step, folder)
            if status != 0:
                return said
        return None

    def run(self, test):
        kind, _, unit = test.rpartition(":")
        # What a test that is cut short has mounted goes with its namespace.
        alone = ["unshare", "--mount"] if os.geteuid() == 0 else []
        folder = self.build_folder(kind)
        if unit.startswith("tests/"):
            return quietly([*alone, "./run", *("../" + unit).split()], folder,
                           self.limit)
        room, name = unit.split("/")
        return quietly([*alone, "../run", "./" + name],
                       os.path.join(folder, room), self.limit)

    def change(self, mutant):
        """Applies it; a function that undoes it."""
        path = os.path.join(self.folder, mutant.file)
        with open(path) as stream:
            text = stream.read()

        def write(content):
            with open(path, "w") as stream:
                stream.write(content)
        write(text.replace(mutant.old, mutant.new))
        return lambda: write(text)


def wrong_with(mutant):
    """Why the mutant cannot be made of this tree, or None."""
    try:
        with open(os.path.join(TOP, mutant.file)) as stream:
            times = stream.read().count(mutant.old)
    except OSError as error:
        return f"{mutant.file}: {error.strerror}"
    if times != 1:
        return f"its text is {times} times in {mutant.file}"
    test = mutant.test.rpartition(":")[2].split()[0]
    return None if test in tests_there_are() else f"there is no test {test}"


@functools.cache
def tests_there_are():
    found = glob.glob("tests/*/*", root_dir=TOP)
    for pattern in "*/Makefile.am", "*/*/local.mk":
        for path in glob.glob(pattern, root_dir=TOP):
            with open(os.path.join(TOP, path)) as stream:
                found += [f"{path.split('/')[0]}/{name}" for name in
                          re.findall(r"\btest-[\w-]+", stream.read())]
    return frozenset(found)


def look(mutants):
    """Says which cannot be made; whether all can."""
    wrong = [(mutant.name, why) for mutant in mutants
             if (why := wrong_with(mutant))]
    for name, why in wrong:
        print(f"FAIL: mutant {name}: {why}")
    return not wrong


def try_mutant(tree, mutant):
    """None if it is caught, else why not; and whether the test came to its limit."""
    undo = tree.change(mutant)
    try:
        said = tree.build(mutant.test)
        if said is not None:
            return "it does not build:\n" + said[-1500:], False
        status, said = tree.run(mutant.test)
    finally:
        undo()
    if status == 77:
        return f"{mutant.test} was skipped", False
    return f"{mutant.test} passes" if status == 0 else None, status is None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", default="mutants-work")
    parser.add_argument("--limit", type=int, default=LIMIT)
    parser.add_argument("--look", action="store_true")
    parser.add_argument("words", nargs="*")
    options = parser.parse_args()
    mutants = read_mutants(options.words)
    whole = look(mutants) and bool(mutants)
    if options.look or not whole:
        sys.exit(not whole)
    work = os.path.abspath(options.work)
    tree = Tree(work, options.limit)
    for test in sorted({m.test for m in mutants}):
        said = tree.build(test)
        status, said = tree.run(test) if said is None else (1, said)
        if status != 0:
            sys.exit(f"{test} fails without a mutant, status {status}:\n"
                     f"{said[-3000:]}")
    failures = 0
    # One test's mutants together: fewer rebuilds.
    for mutant in sorted(mutants, key=lambda m: (m.test, m.file)):
        begin = time.monotonic()
        why, hangs = try_mutant(tree, mutant)
        failures += why is not None
        print(f"{'caught' if why is None else 'MISSED'} {mutant.name} "
              f"({time.monotonic() - begin:.0f} s{', hangs' if hangs else ''})"
              f"{'' if why is None else ': ' + why}", flush=True)
    print(f"{len(mutants) - failures} of {len(mutants)} mutants are caught")
    if failures == 0:
        shutil.rmtree(work)
    sys.exit(failures != 0 or not mutants)


if __name__ == "__main__":
    main()
