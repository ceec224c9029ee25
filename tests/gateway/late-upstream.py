#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: slow
# mark: waits
"""An upstream server that takes long to greet, as a view does that gets no processor: the
client waits, and is served."""

from pullbacktest import main
from pullbacktest.gateway import Stage
from pullbacktest.rawnbd import PlayedUpstream

LATE = 12                       # seconds


def test(t):
    stage = Stage(t)
    PlayedUpstream(t, stage.view, late=LATE)
    stage.write_routes()
    stage.start_gateway()
    with stage.raw() as client:
        client.go()
        client.request(0, 0, 512)
        assert client.simple_reply() == (0, 1)
        assert client.get(512) == bytes(512)


main(test)
