#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A journal of a daemon that died: undone at once where QEMU is gone, kept
where QEMU is there but silent, and tried again then; the exit status says
that one is left."""

import os
import socket

from daemontest import Daemon, check, error_class, wait_until


def journal(daemon, domain):
    return os.path.join(daemon.state, domain, "job.json")


daemon = Daemon()
silent = socket.socket(socket.AF_UNIX)
silent.bind(os.path.join(daemon.top, "silent"))
silent.listen(8)
daemon.register("quiet", os.path.join(daemon.top, "silent"))
with open(journal(daemon, "quiet"), "w") as f:
    f.write('{"not": "read while QEMU is silent"}')
daemon.stop()
daemon.start()
wait_until(lambda: "interrupted backup of quiet is kept" in daemon.log_text(),
           "no word about the journal that is kept")
check(os.path.exists(journal(daemon, "quiet")), "the journal is gone")
desc = error_class(daemon.ask("backup-begin", domain="quiet"), "Timeout")
check(os.path.exists(journal(daemon, "quiet")), "the journal is gone")
error_class(daemon.ask("domain-remove", name="quiet"), "Timeout")
check("return" in daemon.ask("domain-list"), "the daemon is stuck")
daemon.stop(status=3)
