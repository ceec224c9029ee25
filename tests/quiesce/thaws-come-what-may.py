#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: waits
# mark: slow
"""pullback-quiesce against agents of all kinds: a guest that it froze, or may
have frozen, is thawed, and it tells the truth about it."""

import os
import signal
import subprocess
import time

from pullbacktest import main, run, wait_until
from pullbacktest.agent import Agent, Quiesce

ERROR = b'{"error": {"class": "GenericError", "desc": "not today"}}\n'
MAYBE = "may still be frozen"
FREEZE, THAW = "guest-fsfreeze-freeze", "guest-fsfreeze-thaw"


def freezes(t, agent, *options):
    """It says that it has frozen the guest, which was done."""
    freezes_before = len(agent.said(FREEZE))
    q = Quiesce(t, agent.path, *options)
    line = q.line()
    t.check(line == f"frozen {agent.filesystems}", f"said {line!r}")
    t.check(len(agent.said(FREEZE)) == freezes_before + 1,
            "said frozen, but did not")
    return q


def frozen(t, agent, *options):
    """One that keeps the guest frozen."""
    q = freezes(t, agent, *options)
    t.check(agent.frozen, "said frozen, but is not")
    return q


def thawed(t, agent, q, reason, least=0, most=10000):
    """It ends well, for this reason; the milliseconds."""
    status, out, err = q.wait()
    words = out.split()
    t.check(status == 0 and len(words) == 3 and words[0] == "thawed" and
            words[2] == reason, f"want {reason}: {status} {out!r} {err!r}")
    t.check(not agent.frozen, f"{reason}: the guest is still frozen")
    ms = float(words[1]) if len(words) == 3 else 0
    t.check(least <= ms <= most, f"{reason}: frozen for {ms} ms")


def fails(t, q, *saying):
    status, out, err = q.wait()
    t.check(status == 1 and err.count("\n") == 0,
            f"want one sentence: {status} {out!r} {err!r}")
    for word in saying:
        t.check(word in err, f"the sentence lacks {word!r}: {err}")
    t.say(f"    {err}")
    return out


def reasons(t, new):
    agent = new()
    q = frozen(t, agent)
    time.sleep(0.3)
    t.check(agent.frozen, "thawed before it was asked to")
    q.thaw()
    thawed(t, agent, q, "asked", 300, 5000)
    q = frozen(t, agent)
    q.process.stdin.close()
    thawed(t, agent, q, "eof", 0, 5000)
    q = frozen(t, agent)
    q.process.send_signal(signal.SIGTERM)
    thawed(t, agent, q, "signal", 0, 5000)
    q = freezes(t, agent, "--limit", 700)
    thawed(t, agent, q, "limit", 690, 5000)
    q = frozen(t, agent)
    q.process.stdin.write("x" * 200)
    q.process.stdin.flush()
    thawed(t, agent, q, "garbage")
    q = frozen(t, agent)
    agent.frozen = False
    q.thaw()
    thawed(t, agent, q, "early")


def nobody_and_nonsense(t, new):
    agent = new()
    agent.deaf = True
    begin = time.monotonic()
    fails(t, Quiesce(t, agent.path, "--sync-timeout", 500), "does not answer")
    t.check(time.monotonic() - begin < 15, "the time limit was not kept")
    fails(t, Quiesce(t, agent.path + "x"), "connect")
    agent = new()
    agent.first = os.urandom(200000).replace(b"\xff", b"\xfe")
    freezes(t, agent, "--limit", 1).wait()
    agent.first = b'\xff{"return": 1}\n\xff[]\n{"return": 7\n' + ERROR
    freezes(t, agent, "--limit", 1).wait()
    for garbage in (b"hello\n", b"[1]\n", b"{" * 100 + b"\n", b"x" * 70000):
        agent = new({"guest-fsfreeze-status": garbage})
        fails(t, Quiesce(t, agent.path), "not a guest agent")
        t.check(not agent.said(FREEZE), "froze by what is no agent")
    agent = new({"guest-fsfreeze-status": ERROR})
    fails(t, Quiesce(t, agent.path), "not today")
    agent = new()
    agent.frozen = True
    fails(t, Quiesce(t, agent.path), "somebody else")
    t.check(agent.frozen, "thawed what somebody else froze")


def refuses(agent):
    """It says no, and means it."""
    agent.frozen = False
    return ERROR


def failed_freezes(t, new):
    agent = new({FREEZE: ERROR})
    fails(t, Quiesce(t, agent.path), FREEZE, "not today", MAYBE)
    t.check(not agent.frozen and agent.said(THAW), "no thaw after an error")
    agent = new({FREEZE: refuses})
    q = Quiesce(t, agent.path)
    _, _, said = q.wait()
    t.check("not today" in said and MAYBE not in said,
            f"frozen by a freeze that was refused: {said}")
    agent = new({FREEZE: b"??\n"})
    fails(t, Quiesce(t, agent.path), "not a guest agent")
    wait_until(lambda: not agent.frozen, 20, "no thaw after nonsense")
    # Late, but it happens: the thaw waits for it.
    agent = new(delays={FREEZE: 2.5})
    q = Quiesce(t, agent.path, "--freeze-timeout", 500)
    fails(t, q, "does not answer", FREEZE, MAYBE)
    t.check(agent.said(FREEZE), "the late freeze did not come")
    t.check(not agent.frozen, "a late freeze stayed")
    agent = new({FREEZE: None})
    fails(t, Quiesce(t, agent.path, "--freeze-timeout", 300), FREEZE)
    t.check(not agent.frozen, "a freeze without an answer stayed")


def stubborn_thaws(t, new):
    tries = []

    def third_time(agent):
        tries.append(1)
        if len(tries) < 3:
            agent.frozen = True
            return ERROR
        return agent._json(2)

    agent = new({THAW: third_time})
    q = frozen(t, agent)
    q.thaw()
    thawed(t, agent, q, "asked", 300, 5000)
    agent = new()
    q = frozen(t, agent)
    agent.cut()
    q.thaw()
    thawed(t, agent, q, "asked")
    # As Windows: thawed by itself, which makes the thaw an error.
    agent = new({THAW: ERROR})
    q = frozen(t, agent)
    agent.frozen = False
    q.thaw()
    thawed(t, agent, q, "early")
    for odd in (b'{"error": {"class": "GenericError", "desc": "d\xe9j\xe0"}}\n',
                b'{"return": 2} x\n', b'{"return": 2}{"return": 2}\n',
                b'{"return": 2}\0\n'):
        agent = new({THAW: odd})
        q = frozen(t, agent)
        q.thaw()
        thawed(t, agent, q, "early" if b"error" in odd else "asked", 0, 5000)
    agent = new({THAW: None})
    q = frozen(t, agent, "--thaw-timeout", 500)
    q.thaw()
    fails(t, q, MAYBE)
    agent = new()
    q = frozen(t, agent)
    agent.close()
    q.thaw()
    fails(t, q, MAYBE, "connect")


def usage(t, new):
    agent = new()
    agent.frozen = True
    out = run("pullback-quiesce", "--agent", agent.path, "--thaw").stdout
    t.check(out.startswith("thawed") and not agent.frozen, f"--thaw: {out}")
    for words in ((), ("--agent",), ("--limit", "0", "--agent", "x"),
                  ("--limit", "99999999999"), ("--what",), ("x",),
                  ("--agent", "x", "y")):
        done = subprocess.run(["pullback-quiesce", *words], text=True,
                              stdin=subprocess.DEVNULL, capture_output=True)
        t.check(done.returncode == 2 and done.stderr.count("\n") == 1,
                f"{words}: {done}")


def test(t):
    count = 0

    def new(answers=None, delays=None):
        nonlocal count
        count += 1
        agent = Agent(t.path(f"agent{count}"), answers, delays)
        return agent

    for part in (reasons, nobody_and_nonsense, failed_freezes, stubborn_thaws,
                 usage):
        part(t, new)


main(test)
