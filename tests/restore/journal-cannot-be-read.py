#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A journal that cannot be read may be all that tells of a half restored image: no
restore overwrites or removes it, also one of a version that is not known."""

import json
import os

from pullbacktest import Daemon, MIB, main, run
from pullbacktest.restore import restore_begin, restores, write_random

SIZE = 4 * MIB


def test(t):
    daemon = Daemon(t)
    path = write_random(t, t.path("disk.raw"), SIZE)
    other = write_random(t, t.path("other.raw"), SIZE)
    info = restore_begin(daemon, "web", "--image", path, "--format", "raw")
    run("nbdcopy", other, info["uri"]["vda"])
    daemon.cli("restore-abort", "web")
    daemon.leave()
    journal = os.path.join(daemon.state, ".restore", "web.json")
    with open(journal) as stream:
        good = stream.read()
    later = json.loads(good)
    later["version"] += 1
    for text in "garbage", "", json.dumps(later):
        with open(journal, "w") as stream:
            stream.write(text)
        daemon.start()
        t.check(restores(daemon) == {}, f"{restores(daemon)}")
        t.check(journal in daemon.log_text(), "nobody was told")
        for image in other, path:
            daemon.refuses("restore-begin", "web", "--image", image,
                           "--format", "raw", saying=(journal, "web", "half"))
        for words in ("restore-commit",), ("restore-abort",), \
                ("restore-abort", "--forget"):
            daemon.refuses(words[0], "web", *words[1:], saying=("web",))
        restore_begin(daemon, "more", "--image", other, "--format", "raw")
        daemon.cli("restore-abort", "more")
        daemon.leave()
        with open(journal) as stream:
            t.check(stream.read() == text, f"{text}: was changed")
    with open(journal, "w") as stream:
        stream.write(good)
    daemon.start()
    t.check(restores(daemon) == {"web": "half"}, f"{restores(daemon)}")
    daemon.cli("restore-abort", "web", "--forget")
    daemon.terminate()


main(test)
