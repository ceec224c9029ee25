#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The rooms of the tree include each other as the table in
docs/architecture.md says and in no other way, neither rooms nor the files of
a room need each other in a circle, all of it is built, and a few dangerous
calls are made in one place only."""

import collections
import os
import re
import sys

import tree

# <sys/socket.h> is not our socket.h.
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+(?:"(?:[^"]*/)?|<)([^">]+)'
                     '[">]', re.M)

# How else a file could be included is not looked at, but refused.
OTHER_INCLUDE = re.compile(r'^[ \t]*#[ \t]*(?:include|import)(?![ \t]+'
                           r'(?:"[^"]*\.h"|<[^>]*\.h>)).*', re.M)

# What is in one place only, see check_calls.
ATOMICS = re.compile(r"stdatomic\.h|__atomic_|__sync_"
                     r"|atomic_(load|store)_explicit")
ATOMIC_HEADERS = ("proto/fleece/granule-atomic.h",
                  "proto/fleece/counter-atomic.h",
                  "proto/pace/pace-atomic.h")
PROGRAMS = re.compile(r"\b(v?fork|clone3?|popen|system|posix_spawnp?"
                      r"|g_spawn_[a-z_]*|exec[vl][a-z]*) \(")
DESCRIPTORS = re.compile(r"\b(pipe|accept|dup|dup2|epoll_create|inotify_init) "
                         r"\(|\bf?open \([^;\n]*\"[rwa]+\"\)")


def headers_by_name(files):
    by_name = {}
    for path in tree.in_rooms(files):
        if path.endswith(".h"):
            by_name.setdefault(os.path.basename(path), []).append(path)
    return by_name


def included(files, by_name, path):
    """The headers of the tree that a file includes."""
    for name in INCLUDE.findall(files[path]):
        yield from by_name.get(name, ())


def may_include(table, path):
    """The folders of which a file may include headers: a test may look at all
    of its program."""
    folder = tree.folder_of(path)
    if not tree.is_test(path):
        return table[folder].may
    outer = {"proto", path.split("/")[0]}
    return {f for f in table if f.split("/")[0] in outer}


def check_rooms(files, needs):
    table, by_name = tree.read_table(files), headers_by_name(files)
    used = collections.defaultdict(set)
    for name, paths in by_name.items():
        if len(paths) > 1:
            yield f"two headers have the name {name}: {' '.join(paths)}"
    for path in tree.in_rooms(files):
        room = tree.folder_of(path)
        if room not in table:
            yield f"{path}: {tree.PAGE} has no row for {room}/"
            continue
        may = may_include(table, path)
        for line in OTHER_INCLUDE.findall(files[path]):
            yield f'{path}: "{line}" is not the include of a header by its name'
        for name, source in needs.get(path, {}).items():
            if tree.folder_of(source) not in {room, *may}:
                yield (f"{path} names {name} of {source}, but {room}/ may not "
                       f"include that room by the table in {tree.PAGE}")
        for header in included(files, by_name, path):
            other = tree.folder_of(header)
            if other != room and other not in may:
                yield (f"{path} includes {header}, but {room}/ may not include "
                       f"{other}/ by the table of rooms in {tree.PAGE}")
            if not tree.is_test(path):
                used[room].add(other)
    for folder, room in table.items():
        for other in sorted(room.may - used[folder]):
            yield (f"{tree.PAGE}: the table lets {folder}/ include {other}/, "
                   "which no file of it does: remove that")
    for circle in tree.find_circles({f: r.may for f, r in table.items()}):
        yield f"{tree.PAGE}: rooms include each other: {' '.join(circle)}"


def needed_functions(files, functions):
    """{path: {name: path of the function of that name}}"""
    sources = [p for p in tree.in_rooms(files)
               if p.endswith(".c") and not tree.is_test(p)]
    where = {f.name: path for path in sources
             for f in functions.get(path, ()) if not f.is_static}
    needs = {}
    for path in sources:
        words = set(re.findall(r"\w+", tree.without_comments(files[path])))
        words -= {f.name for f in functions.get(path, ())}
        needs[path] = {w: where[w] for w in words if w in where}
    return needs


def check_files(files, needs):
    by_name = headers_by_name(files)
    headers = {p: set(included(files, by_name, p))
               for p in tree.in_rooms(files) if p.endswith(".h")}
    for circle in tree.find_circles(headers):
        yield f"headers include each other: {' '.join(circle)}"
    inside = {path: {other for other in named.values()
                     if tree.folder_of(other) == tree.folder_of(path)}
              for path, named in needs.items()}
    for circle in tree.find_circles(inside):
        yield ("files call each other in a circle (what they share belongs "
               f"below them): {' '.join(circle)}")


def check_built(files, functions, declared):
    built = set()
    for path, text in files.items():
        if path.endswith((".am", ".mk")):
            top = path.split("/")[0]
            words = re.sub(r"#.*", "", text).split()
            built |= {f"{top}/{word}" for word in words}
    for path in tree.in_rooms(files):
        if path.endswith(".c") and path not in built:
            yield f"{path}: no Makefile.am and no local.mk names it"
    defined = {(tree.folder_of(path), f.name) for path, there
               in functions.items() for f in there if not f.is_static}
    for path, there in declared.items():
        for f in there:
            if (tree.folder_of(path), f.name) not in defined:
                yield f"{path} declares {f.name}, which its room does not define"


def check_calls(files):
    for path in tree.in_rooms(files):
        text = files[path]
        if ATOMICS.search(text) and path not in ATOMIC_HEADERS:
            yield f"atomics outside of {' and '.join(ATOMIC_HEADERS)}: {path}"
        if tree.is_test(path) or path == "backupd/process/process-spawn.c":
            continue
        # Only one place starts programs: what it passes on is what was asked
        # for, and what another thread opens at that moment must not get there.
        for what, pattern in (("programs are started outside of "
                               "backupd/process/", PROGRAMS),
                              ("descriptors without O_CLOEXEC", DESCRIPTORS)):
            found = pattern.search(tree.without_comments(text))
            if found:
                yield f"{what}: {path}: {found[0]}"


def check(files, functions, declared):
    needs = needed_functions(files, functions)
    yield from check_rooms(files, needs)
    yield from check_files(files, needs)
    yield from check_built(files, functions, declared)
    yield from check_calls(files)


def wrong_trees(files):
    """Copies with one mistake each, and what must be said of it."""
    def changed(path, old, new):
        assert files[path].count(old) == 1, (path, old)
        return {**files, path: files[path].replace(old, new)}

    def including(path, header):
        return {**files, path: f'#include "{header}"\n' + files[path]}

    row = next(line for line in files[tree.PAGE].splitlines()
               if line.startswith("| `proto/base/`"))
    yield including("plugin/view/view-role.c", "domain.h"), "may not include"
    yield including("plugin/view/test-point-in-time.c", "qmp.h"), "may not"
    yield including("proto/nbd/nbd-wire.h", "gateway-routes.h"), "may not"
    yield including("proto/base/failure.h", "control-message.h"), "may not"
    yield (changed(tree.PAGE, row, row[:-1] + "`proto/`: nbd |"),
           "which no file of it does")
    yield (changed(tree.PAGE, row, row[:-1] + "`proto/`: nbd |"),
           "rooms include each other")
    yield changed(tree.PAGE, row + "\n", ""), "has no row"
    yield including("proto/base/failure.h", "log.h"), None
    yield (including("proto/base/log.h", "log.h"),
           "headers include each other")
    yield ({**files, "proto/nbd/failure.h": ""}, "two headers have the name")
    for line in '#include H', '#include "log.c"', '#include <log.inc>', "#import":
        yield ({**files, "proto/base/log.c": line + "\n"},
               "is not the include of a header")
    yield ({**files, "plugin/view/view-role.c":
            "int domain_connect (void);\nint x = domain_connect ();\n"},
           "names domain_connect of")
    yield {**files, "restore/restore.c": ""}, "has no row for restore/"
    yield ({**files, "plugin/source/source-more.c": ""},
           "no Makefile.am and no local.mk names it")
    yield (changed("proto/base/failure.c", "#include <config.h>\n",
                   "#include <config.h>\nint x = atomic_load_explicit;\n"),
           "atomics outside")
    yield (changed("proto/base/log.c", "#include <config.h>\n",
                   "#include <config.h>\nint x = fork ();\n"),
           "programs are started")
    yield (changed("proto/base/log.c", "#include <config.h>\n",
                   "#include <config.h>\nint x = dup (2);\n"), "O_CLOEXEC")
    for path, function in (("proto/nbd/extent-list.c", "nbd_request_encode"),
                           ("proto/nbd/nbd-wire.c", "extent_list_add")):
        files = {**files, path: files[path] + f"\nint x = {function};\n"}
    yield files, "files call each other in a circle"


def main():
    tree.enter()
    files = tree.read_files()
    functions = tree.read_functions(files)
    declared = tree.read_functions(files, ".h", "p")
    wrong = [((copy, functions, declared), word)
             for copy, word in wrong_trees(files)]
    header = {"proto/nbd/nbd-wire.h": [tree.Function("failure_set", False)]}
    wrong.append(((files, functions, header), "does not define"))
    return tree.judge(check, (files, functions, declared), wrong)


sys.exit(main())
