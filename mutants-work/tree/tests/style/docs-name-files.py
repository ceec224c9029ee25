#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each source file that a page or a header's comment names is there."""

import os
import re
import subprocess
import sys

import tree

NAME = re.compile(r"(?<![\w./*-])((?:[a-z0-9_-]+/)*[a-z0-9_-]+\.(?:c|h|py|sh|mk|rng|pod))"
                  r"(?![\w(=])")
# Names of examples, and of a file that configure makes.
EXAMPLES = {"config.h", "x.c"}


def named(path, text):
    """What PATH says: all of a page, the comments of a C file."""
    if not path.endswith(".md"):
        text = " ".join(re.findall(r"/\*.*?\*/", text, re.S))
    return sorted(set(NAME.findall(text)) - EXAMPLES)


def missing(texts, paths):
    ends = {"/" + path for path in paths}
    for path, text in texts.items():
        for name in named(path, text):
            if not any(end.endswith("/" + name) for end in ends):
                yield f"{path} names {name}, which is not there"


def main():
    tree.enter()
    paths = subprocess.run(["git", "ls-files"], check=True, text=True,
                           stdout=subprocess.PIPE).stdout.split()
    texts = {}
    for path in paths:
        if path.endswith((".md", ".c", ".h")) and os.path.exists(path):
            with open(path) as stream:
                texts[path] = stream.read()

    def page(text):
        return {"README.md": text}, paths
    return tree.judge(missing, (texts, paths),
                      ((page("see `base/log.h`"), None),
                       (page("see `base/logs.h`"), "names base/logs.h")))


sys.exit(main())
