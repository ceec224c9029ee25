#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The names of files and functions begin with what the table of rooms in
docs/architecture.md says, and each larger .c file opens with a comment that
says why it is as it is."""

import os
import re
import sys

import tree

NOTE_FROM = 61                  # lines of a file that needs a note
NOTE = re.compile(r"\A/\* SPDX-License-Identifier: [^\n]*\n/\* \S")


def may_be_called(room, path, name):
    own = os.path.basename(path).split(".")[0].split("-")[0] + "_"
    return name.startswith(room.prefix or own)


def find_wrong_names(files, functions):
    table = tree.read_table(files)
    for path in tree.in_rooms(files):
        room = table.get(tree.folder_of(path))
        if room is None or tree.is_test(path):
            continue
        public = [f.name for f in functions.get(path, ()) if not f.is_static]
        file = os.path.basename(path).replace("-", "_").replace(".", "_")
        if "main" in public:
            continue            # may be called like its program
        if not file.startswith(room.prefix):
            yield path, f"its name does not begin with {room.prefix[:-1]}"
        for name in public:
            if not may_be_called(room, path, name):
                yield path, (f"{name} does not begin with "
                             f"{room.prefix or 'the first word of the name'}")


def find_missing_notes(files):
    for path in tree.in_rooms(files):
        if (path.endswith(".c") and not tree.is_test(path) and
                files[path].count("\n") >= NOTE_FROM and
                not NOTE.match(files[path])):
            yield path, ("opens without a comment that says why it is as it "
                         "is (after the line with the licence)")


def check(files, functions):
    for path, what in [*find_wrong_names(files, functions),
                       *find_missing_notes(files)]:
        yield f"{path}: {what}"


def wrong_trees(files, functions):
    """Copies with one mistake each, and what must be said of it."""
    def also(path, name):
        added = tree.Function(name, False)
        return {**functions, path: functions.get(path, []) + [added]}

    yield files, also("backupd/steps/steps.c", "read_it"), "read_it"
    yield files, also("proto/nbd/nbd-wire.c", "wire_it"), "wire_it"
    yield files, also("proto/nbd/nbd-wire.c", "nbd_it"), None
    static = tree.Function("read_it", True)
    yield files, {**functions, "backupd/steps/steps.c": [static]}, None
    licence = "/* SPDX-License-Identifier: LGPL-2.1-or-later */\n"
    yield ({**files, "plugin/sink/watch.c": licence}, functions,
           "its name does not begin")
    path, body = "plugin/view/view-x.c", "\n" * NOTE_FROM
    for start, word in (("", "opens without"), ("/* Why. */\n", None),
                        ("#include <config.h>\n\n/* Not here. */\n",
                         "opens without")):
        yield {**files, path: licence + start + body}, functions, word


def main():
    tree.enter()
    files = tree.read_files()
    given = files, tree.read_functions(files)
    return tree.judge(check, given, (((wrong, functions), word)
                                     for wrong, functions, word
                                     in wrong_trees(*given)))


sys.exit(main())
