#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: waits
# mark: slow
"""More slow but good handshakes at once than there are places for: all of them
come to an end, as each waits for its place."""

import struct
import threading

from pullbacktest import main, need_programs
from pullbacktest.gateway import Stage
from pullbacktest.rawnbd import RawClient

CLIENTS = 100                   # 64 have a place
PAUSE = 0.6                     # a slow network, between two options


def shake(path, errors):
    """Four options."""
    try:
        with RawClient.unix(path) as client:
            client.client_flags()
            for number in 3, 8, 3:
                client.option(number)
                while client.option_reply()[1] != 1:
                    pass
                threading.Event().wait(PAUSE)
            client.option(7, struct.pack(">I", 3) + b"vda" + b"\0\0")
            while client.option_reply()[1] != 1:
                pass
    except (EOFError, OSError, struct.error) as error:
        errors.append(repr(error))


def test(t):
    need_programs("nbdkit")
    stage = Stage(t)
    stage.start()
    errors = []
    threads = [threading.Thread(target=shake, args=(stage.socket, errors))
               for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    t.check(not errors, f"{len(errors)} of {CLIENTS}: {errors[:3]}")


main(test)
