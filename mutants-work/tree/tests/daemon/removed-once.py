#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Of those who remove a domain at once one does, and the others are told that the
domain goes: the daemon stays."""

import threading

from pullbacktest import Daemon, main
from pullbacktest.control import Control, ControlError

ROUNDS = 60
AT_ONCE = 6


def remove(daemon, name, barrier, answers):
    with Control(daemon.socket) as control:
        barrier.wait()
        try:
            control("domain-remove", name=name)
            answers.append("removed")
        except ControlError as error:
            answers.append(str(error))


def test(t):
    daemon = Daemon(t)
    names = [f"vm{i}" for i in range(ROUNDS)]
    daemon.terminate()
    for name in names:
        daemon.register(name)
    daemon.start()
    for name in names:
        barrier, answers = threading.Barrier(AT_ONCE), []
        threads = [threading.Thread(target=remove,
                                    args=(daemon, name, barrier, answers))
                   for _ in range(AT_ONCE)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        t.check(answers.count("removed") == 1 and len(answers) == AT_ONCE,
                f"{name}: {answers}")
        for answer in answers:
            t.check(answer == "removed" or name in answer,
                    f"{name}: {answer}")


main(test)
