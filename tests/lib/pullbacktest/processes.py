# SPDX-License-Identifier: LGPL-2.1-or-later
"""Processes: what they are, those below one, and their end."""

import os
import signal
import subprocess

from .outcome import Failed


def process_stat(pid):
    """(state, parent) of a process, or None if there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:
            fields = stream.read().rsplit(b")", 1)[1].split()
    except (OSError, IndexError):
        return None
    return fields[0].decode(), int(fields[1])


def alive(pid):
    stat = process_stat(pid)
    return stat is not None and stat[0] not in "ZX"


def status_kib(pid, key):
    """A figure of /proc/PID/status: "VmRSS", "VmHWM", or "Threads"."""
    with open(f"/proc/{pid}/status") as stream:
        for line in stream:
            if line.startswith(key + ":"):
                return int(line.split()[1])
    raise Failed(f"/proc/{pid}/status has no {key}")


def memory_of(pid):
    """Proportional set size in bytes (what several share is shared out), and the
    resident one."""
    with open(f"/proc/{pid}/smaps_rollup") as stream:
        words = {line.split()[0]: line.split()[1] for line in
                 stream.readlines()[1:]}
    return int(words["Pss:"]) * 1024, int(words["Rss:"]) * 1024


def command_line(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as stream:
            return stream.read().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return "?"


def descendants(pid):
    """Living processes below PID, at any depth."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            stat = process_stat(int(name))
            if stat and stat[0] not in "ZX":
                parents[int(name)] = stat[1]
    found, grew = {pid}, True
    while grew:
        grew = False
        for child, parent in parents.items():
            if parent in found and child not in found:
                found.add(child)
                grew = True
    return sorted(found - {pid})


def kill(pid, number=signal.SIGKILL):
    """os.kill for one process, and never for more: a daemon says 0 of what
    does not run just now, which os.kill takes for the test and all its group."""
    if not isinstance(pid, int) or pid <= 1:
        raise Failed(f"{pid!r} is not the pid of a process to signal")
    os.kill(pid, number)


def end(process, deadline=60.0, by=signal.SIGTERM):
    """Ends a Popen by that signal, or SIGKILL when it took DEADLINE seconds, and
    closes its pipes; whether the first was enough."""
    well = True
    if process.poll() is None:
        process.send_signal(by)
        try:
            process.wait(timeout=deadline)
        except subprocess.TimeoutExpired:
            well = False
            process.kill()
            process.wait()
    for stream in process.stdin, process.stdout, process.stderr:
        if stream:
            try:
                stream.close()
            except OSError:
                pass            # nobody reads any more what was not sent yet
    return well
