#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""--help and the manual page name the same options."""

import os
import re

from pullbacktest import main, run


def test(t):
    help_text = run("pullback-gateway", "--help").stdout
    version = run("pullback-gateway", "--version").stdout
    assert re.fullmatch(r"pullback-gateway \d+\.\d+\.\d+\n", version), version
    in_help = set(re.findall(r"^  (--[a-z-]+)", help_text, re.MULTILINE))
    pod = os.path.join(os.environ["PULLBACK_SRCDIR"],
                       "proto/gateway/pullback-gateway.pod")
    with open(pod, encoding="utf-8") as f:
        in_pod = set(re.findall(r"^=item B<(--[a-z-]+)>", f.read(),
                                re.MULTILINE))
    assert in_help == in_pod and len(in_help) >= 9, (in_help, in_pod)


main(test)
