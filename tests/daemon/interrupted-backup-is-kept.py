#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: waits
# mark: slow
"""A journal of a daemon that died: undone at once where QEMU is gone, kept
where QEMU is there but silent, and tried again then; the exit status says
that one is left."""

import os
import socket

from pullbacktest import Daemon, main, wait_until
from pullbacktest.refusal import check_error


def test(t):
    daemon = Daemon(t)
    silent = socket.socket(socket.AF_UNIX)
    t.defer(silent.close)
    silent.bind(t.path("silent"))
    silent.listen(8)
    daemon.register("quiet", t.path("silent"))
    daemon.terminate()
    journal = os.path.join(daemon.state, "quiet", "job.json")
    with open(journal, "w") as f:
        f.write('{"not": "read while QEMU is silent"}')
    daemon.start()
    wait_until(lambda: "interrupted backup of quiet is kept"
               in daemon.log_text(), 20, "no word about the journal")
    t.check(os.path.exists(journal), "the journal is gone")
    check_error(t, "Timeout", lambda: daemon.ask("backup-begin",
                                                 domain="quiet"))
    t.check(os.path.exists(journal), "the journal is gone")
    check_error(t, "Timeout", lambda: daemon.ask("domain-remove",
                                                 name="quiet"))
    daemon.ask("domain-list")
    daemon.terminate(status=3)


main(test)
