#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: fuzz
"""Hostile qcow2 images for the view's reader: plugin/source/test-source-qcow2.c,
longer. FUZZ_SECONDS says how long. Best in a build with --enable-sanitizers."""

import os

from pullbacktest import main, run


def test(t):
    seconds = os.environ.get("FUZZ_SECONDS", "30")
    program = os.path.join(os.environ["PULLBACK_BUILDDIR"], "plugin",
                           "test-source-qcow2")
    run("make", "-s", "-C", os.path.dirname(program),
        os.path.basename(program))
    t.say(run(program, env={**os.environ, "FUZZ_SECONDS": seconds},
              timeout=int(seconds) + 120).stdout.strip())


main(test)
