#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two state folders, one runtime folder, and a restore of the same name in both: while the
processes of one live the other is refused, and the map that says that nothing was written proves
that of its own alone."""

import os

from pullbacktest import Daemon, MIB, kill, main
from pullbacktest.clients import open_nbd
from pullbacktest.restore import (MARK, process_of, restore_begin, restores,
                                  write_random)

SIZE = 8 * MIB


def test(t):
    one, two = (write_random(t, t.path(name), SIZE)
                for name in ("one.raw", "two.raw"))
    daemon = Daemon(t)
    states = daemon.state, t.path("other-state")
    os.mkdir(states[1])

    def switch(state):
        daemon.state = state
        daemon.start()

    handle = open_nbd(restore_begin(daemon, "web", "--image", one, "--format",
                                    "raw")["uri"]["vda"])
    handle.pwrite(b"x" * MIB, 0)
    daemon.kill9()
    switch(states[1])
    daemon.refuses("restore-begin", "web", "--image", two, "--format", "raw",
                   saying=("web", "another daemon", "another name"))
    handle.pwrite(b"x" * MIB, MIB)
    t.check(not os.path.exists(two + MARK), "the second is marked")

    t.say("nobody writes the first any more")
    kill(process_of(daemon, "web", "gateway"))
    kill(process_of(daemon, "web", "plugin"))
    restore_begin(daemon, "web", "--image", two, "--format", "raw")
    plugin = process_of(daemon, "web", "plugin")
    daemon.leave()
    switch(states[0])
    t.check(restores(daemon) == {"web": "half"}, f"{restores(daemon)}")
    t.check(os.path.exists(one + MARK), "the first has no mark")

    t.say("the second goes on")
    daemon.leave()
    switch(states[1])
    t.check(restores(daemon) == {"web": "ready"} and
            process_of(daemon, "web", "plugin") == plugin, "it does not go on")
    daemon.cli("restore-abort", "web")
    t.check(not os.path.exists(two + MARK), "nothing was written to the second")
    daemon.leave()
    switch(states[0])
    daemon.cli("restore-abort", "web", "--forget")
    daemon.terminate()


main(test)
