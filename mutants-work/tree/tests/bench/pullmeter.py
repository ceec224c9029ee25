# SPDX-License-Identifier: LGPL-2.1-or-later
"""How fast a stock client pulls, over time.  nbdcopy tells what percentage of
the disk it has asked for: that costs nothing, and is exact but for the requests
in flight, which are as many all along."""

import os
import signal
import subprocess
import threading
import time

CONNECTIONS = 4
REQUESTS = 16                   # of each in flight: what QEMU serves at once


class PullMeter:
    """Pulls URI into nothing again and again until close ()."""

    def __init__(self, uri, size):
        self.uri, self.size = uri, size
        self.closing = False
        self.before = 0                 # bytes of the pulls that are over
        self.points = [(time.monotonic(), 0)]   # (when, bytes so far)
        self.failed = None
        self.process = None
        self.started = threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        self.started.wait()

    def _run(self):
        while not self.closing and not self.failed:
            read, write = os.pipe()
            self.process = subprocess.Popen(
                ["nbdcopy", f"--connections={CONNECTIONS}",
                 f"--requests={REQUESTS}", f"--progress={write}",
                 self.uri, "null:"], pass_fds=[write],
                stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            os.close(write)
            self.started.set()
            with os.fdopen(read) as stream:
                for line in stream:
                    part = int(line.split("/")[0]) * self.size // 100
                    self.points.append((time.monotonic(), self.before + part))
            words = self.process.stderr.read().strip()
            if self.process.wait() != 0 and not self.closing:
                self.failed = f"nbdcopy: {words}"
            self.before += self.size

    def rate(self, begin, end):
        """Bytes a second.  Right only when there was news after END."""
        return (self._bytes_at(end) - self._bytes_at(begin)) / (end - begin)

    def _bytes_at(self, when):
        """Between two points as on a line."""
        points = list(self.points)
        last = points[0]
        for point in points:
            if point[0] >= when:
                part = (when - last[0]) / max(point[0] - last[0], 1e-9)
                return last[1] + min(part, 1) * (point[1] - last[1])
            last = point
        return last[1]

    def close(self):
        self.closing = True
        self.process.send_signal(signal.SIGTERM)
        self.thread.join()
        return self.failed
