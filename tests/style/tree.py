# SPDX-License-Identifier: LGPL-2.1-or-later
"""The C files of the tree and the table of its rooms, for the tests beside
this file.  Both are plain data, so that a test can look at a copy with a
mistake in it."""

import collections
import os
import re
import subprocess
import sys

PAGE = "docs/architecture.md"

# may: set of folders; prefix: "" where each file has its own.
Room = collections.namedtuple("Room", "prefix may")
Function = collections.namedtuple("Function", "name is_static")


def enter():
    os.chdir(os.environ["PULLBACK_SRCDIR"])
    if not os.path.exists(".git"):
        print("SKIP: needs a git checkout")
        sys.exit(77)


def read_files():
    """{path: text} of every C file, of what builds them, and of the page with
    the table."""
    paths = subprocess.run(
        ["git", "ls-files", "*.c", "*.h", "*/Makefile.am", "*/local.mk", PAGE],
        check=True, text=True, stdout=subprocess.PIPE).stdout.split()
    files = {}
    for path in filter(os.path.exists, paths):
        with open(path) as stream:
            files[path] = stream.read()
    return files


def in_rooms(files):
    return sorted(p for p in files if p.endswith((".c", ".h"))
                  and not p.startswith("tests/"))


def is_test(path):
    return os.path.basename(path).startswith("test-")


def folder_of(path):
    return os.path.dirname(path)


def without_comments(text):
    return re.sub(r"/\*.*?\*/", " ", text, flags=re.S)


def read_may(cell):
    """The folders that a cell "outer/: room, room; ..." names."""
    may = set()
    for group in filter(None, (g.strip() for g in cell.split(";"))):
        outer, _, names = group.replace("`", "").partition("/")
        names = names.lstrip(":").split(",")
        may |= {"/".join(filter(None, (outer, n.strip()))) for n in names}
    return may


def read_table(files):
    """{folder: Room}"""
    table = {}
    row = re.compile(r"^\| `([a-z0-9/]+)/` \| .* \| (`[a-z0-9_]+`|the file's) "
                     r"\| (.*?) ?\|$", re.M)
    for folder, prefix, may in row.findall(files[PAGE]):
        prefix = prefix.strip("`") if prefix.startswith("`") else ""
        table[folder] = Room(prefix, read_may(may))
    return table


def read_functions(files, ending=".c", kind="f"):
    """{path: [Function]}; those that are declared if kind is "p"."""
    paths = [p for p in in_rooms(files) if p.endswith(ending)]
    said = subprocess.run(
        ["ctags", "-x", "--_xformat=%F %N [%{file}]", "--fields=+f",
         "--languages=C", "--langmap=C:.c.h", f"--kinds-C={kind}", *paths],
        check=True, text=True, stdout=subprocess.PIPE).stdout
    functions = collections.defaultdict(list)
    for line in said.splitlines():
        path, name, scope = line.split()
        functions[path].append(Function(name, scope != "[-]"))
    return functions


def find_circles(edges):
    """Sorted lists of the nodes that reach each other by {node: nodes}."""
    reach = {}
    for node in edges:
        seen, todo = set(), list(edges[node])
        while todo:
            other = todo.pop()
            if other not in seen:
                seen.add(other)
                todo += edges.get(other, ())
        reach[node] = seen
    circles = {tuple(sorted(o for o in reach[n] if n in reach.get(o, ())))
               for n in edges if n in reach[n]}
    return [list(c) for c in sorted(circles)]


def judge(check, given, wrong):
    """The exit status of a test, having printed what CHECK says of GIVEN.  Of
    each of WRONG, (given with a mistake, word), it must also say something with
    that word in it, and of one without a mistake (word None) nothing more."""
    failures = sorted(set(check(*given)))
    for other, word in wrong:
        said = set(check(*other)) - set(failures)
        if word is None and said:
            failures.append(f"this test finds fault with what is right: {said}")
        elif word is not None and not any(word in line for line in said):
            failures.append("this test does not find a mistake that it should "
                            f"call '{word}'")
    for line in failures:
        print("FAIL:", line)
    return 1 if failures else 0
