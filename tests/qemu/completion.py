#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""bash and zsh complete commands, options, names of domains, checkpoints and disks, and
files; what makes no sense is met with silence."""

import os
import pty
import select
import subprocess
import time

from pullbacktest import (MIB, VM, Daemon, Disk, Failed, main,
                          need_programs, run)

# What the last word can become.  The checkpoint is mon-1, the disks vda and vdb.
OFFERS = [
    ("vers", ["version"]),
    ("--soc", ["--socket"]),
    ("run --str", ["--strict"]),
    ("backup-commit ", ["other", "vm1"]),
    ("backup-commit vm1 ", []),
    ("domain-add v", []),
    ("domain-add new --disk ", []),
    ("backup-begin vm1 --incremental ", ["mon-1"]),
    ("backup-begin vm1 --incremental=m", ["--incremental=mon-1"]),
    ("backup-begin vm1 --incremental = m", ["mon-1"]),
    ("backup-begin vm1 --incremental =", ["mon-1"]),
    ("backup-begin --incremental mon-1 v", ["vm1"]),
    ("backup-begin --base m", []),
    ("backup-begin vm1 --checkpoint ", []),
    ("backup-begin vm1 --consumer ", []),
    ("backup-begin vm1 --disk vda --disk v", ["vda", "vdb"]),
    ("backup-begin vm1 --pace ", ["guest-first", "off"]),
    ("backup-begin vm1 --on-migrate=r", ["--on-migrate=refuse"]),
    ("backup-begin vm1 --strict o", [":files"]),
    ("checkpoint-info vm1 ", ["mon-1"]),
    ("checkpoint-info --checkpoint mon-1 ", ["other", "vm1"]),
    ("checkpoint-list vm1 --from ", ["mon-1"]),
    ("--socket ", [":files"]),
    ("run --state-dir=", [":files"]),
    ("domain-add a --q.p", []),
    ("domain-add a --nonsense x", []),
    ("nonsense vm1 ", []),
]

SHELLS = {
    # The line is shown as an array of words would be.
    "bash": (["bash", "--norc", "-i"],
             "PS1=; bind 'set enable-bracketed-paste off'; . {bash}"),
    "zsh": (["zsh", "-f", "-i"],
            "PS1=; bindkey -e; fpath=({folder} $fpath); autoload -U compinit; "
            "compinit -u -D; zstyle ':completion:*' insert-tab false"),
}

# Half a line, and what the shell makes of it.
LINES = [
    ("backup-abo", "backup-abort"),
    ("checkpoint-info vm1 mo", "checkpoint-info vm1 mon-1"),
    ("backup-begin vm1 --disk=vdb --incremental=mo",
     "backup-begin vm1 --disk=vdb --incremental=mon-1"),
    ("backup-begin vm1 --backupxml the", "backup-begin vm1 --backupxml the-file"),
    ("backup-begin vm1 --backupxml=the", "backup-begin vm1 --backupxml=the-file"),
]


class Shell:
    def __init__(self, t, name, cwd, env):
        words, start = SHELLS[name]
        folder = t.folder_below(t.path())
        source = os.path.join(os.environ["PULLBACK_SRCDIR"], "backupd/cli")
        os.symlink(f"{source}/pullback.zsh", f"{folder}/_pullback")
        self.ours, its = pty.openpty()
        self.process = subprocess.Popen(
            words, cwd=cwd, env=env, preexec_fn=lambda: os.login_tty(its))
        os.close(its)
        self.said = ""
        self.type(start.format(bash=f"{source}/pullback.bash", folder=folder))
        self.type("\nprintf '[%s]' rea dy\n")
        self.wait("[rea][dy]")

    def type(self, text):
        os.write(self.ours, text.encode())

    def wait(self, text, deadline=60):
        end = time.monotonic() + deadline
        while text not in self.said:
            left = end - time.monotonic()
            if left < 0 or not \
                    select.select([self.ours], [], [], left)[0]:
                raise Failed(f"no {text!r}: {self.said!r}")
            self.said += os.read(self.ours, 65536).decode(errors="replace")

    def completed(self, line):
        """The words that LINE has after a tabulator."""
        self.said = ""
        self.type(f"pullback {line}\t")
        self.type("\5 end-of-line\1printf '[%s]' \n")
        self.wait("[end-of-line]")
        return self.said

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.ours)


def lines_are_completed(t, name, shell):
    for line, wanted in LINES:
        words = "".join(f"[{word}]" for word in wanted.split())
        said = shell.completed(line)
        t.check(f"[pullback]{words}[end-of-line]" in said,
                f"{name}: {line}: no {words}: {said!r}")


def test(t):
    need_programs("bash", "zsh")
    vm = VM(t, [Disk("vda", "raw", MIB), Disk("vdb", "raw", MIB)], boot=False)
    daemon = Daemon(t)
    daemon.register("other")
    daemon.restart()
    daemon.add(vm)
    daemon.cli("checkpoint-create", "vm1", "mon-1")
    for line, wanted in OFFERS:
        said = run("pullback", "--complete", "--socket", daemon.socket,
                   *line.split(" "))
        t.check(said.stdout.split() == wanted and said.stderr == "",
                f"{line}: {said.stdout.split()}, not {wanted}; {said.stderr}")
    folder = t.folder_below(t.path())
    open(os.path.join(folder, "the-file"), "w").close()
    for name in SHELLS:
        shell = Shell(t, name, folder,
                      {**os.environ, "PULLBACK_SOCKET": daemon.socket})
        try:
            lines_are_completed(t, name, shell)
        finally:
            shell.close()


main(test)
