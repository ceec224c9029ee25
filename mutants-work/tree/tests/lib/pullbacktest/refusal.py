# SPDX-License-Identifier: LGPL-2.1-or-later
"""What every refusal has to be: a sentence that names the thing."""

from .control import ControlError


def check_refusal(t, done, saying=(), status=(1, 2)):
    """A finished program: its exit status is one of these, and it said one
    sentence that names these things (in whatever case).  The sentence."""
    what = " ".join(word if len(word) < 60 else word[:57] + "..."
                    for word in done.args)
    lines = done.stderr.strip().splitlines()
    t.check(done.returncode in status,
            f"{what}: exit status {done.returncode}, want {status}")
    t.check(len(lines) == 1, f"{what}: {len(lines)} lines on stderr, "
            f"want one: {done.stderr.strip()[:400]!r}")
    t.check(not (done.stdout or "").strip(),
            f"{what}: refused, but printed {(done.stdout or '')[:200]!r}")
    sentence = lines[0] if lines else ""
    t.say(f"    {sentence[:300]}")
    t.check(len(sentence) < 1000, f"{what}: {len(sentence)} bytes long")
    for word in saying:
        t.check(word.lower() in sentence.lower(),
                f"{what}: the sentence lacks {word!r}: {sentence}")
    return sentence


def check_error(t, error_class, attempt, *saying):
    """ATTEMPT, a function, gets a ControlError of this class that says so."""
    try:
        reply = attempt()
    except ControlError as error:
        t.check(error.error_class == error_class,
                f"want {error_class}, got {error}")
        for word in saying:
            t.check(word in str(error), f"{word!r} is not in {error}")
    else:
        t.check(False, f"want {error_class}, got {reply}")
