# SPDX-License-Identifier: LGPL-2.1-or-later
"""A debugger whose user is away."""

import subprocess
import sys

from .outcome import need

# ptrace wants the same thread throughout, and one that waits for nobody else.
PROGRAM = """
import ctypes, os, sys
ATTACH, EVERY_THREAD = 16, 0x40000000
folder, held = f"/proc/{sys.argv[1]}/task", set()
while new := set(map(int, os.listdir(folder))) - held:
    for thread in new:
        if ctypes.CDLL(None).ptrace(ATTACH, thread, None, None) == 0:
            os.waitpid(thread, EVERY_THREAD)
    held |= new
print("held", flush=True)
sys.stdin.read()
"""


class Debugger:
    """Holds all threads of PID, and does not see what becomes of it, until it is
    left."""

    def __init__(self, pid):
        self.pid = pid
        self.process = None

    def __enter__(self):
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(self.pid)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        need(self.process.stdout.readline() == b"held\n",
             f"process {self.pid} cannot be held")
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(timeout=60)
        self.process.stdout.close()
