# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs that pages of the documentation show."""

import os
import re

from .outcome import need


def write_program(t, page, kind, edit=lambda text: text):
    """The only program of docs/PAGE in that language, EDITed, in a file that runs."""
    path = os.path.join(os.environ["PULLBACK_SRCDIR"], "docs", page)
    with open(path, encoding="utf-8") as stream:
        found = re.findall(rf"^```{kind}\n(.*?)^```$", stream.read(),
                           re.M | re.S)
    need(len(found) == 1, f"{page} has {len(found)} programs in {kind}")
    path = t.path(f"{page}.{kind}")
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(edit(found[0]))
    os.chmod(path, 0o700)
    return path
