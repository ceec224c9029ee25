# SPDX-License-Identifier: LGPL-2.1-or-later
"""kill -9 of each process of a restore, but for the daemon, at each of its steps: the image is the
old disk, the whole new one, or marked and listed."""

from pullbacktest.restorekill import (ABORT, ADOPT, COMMIT, IMAGES, VICTIMS,
                                      WHOLE, KillBench, places)

from table import Absent, Row

NO_LIE = "no lie"


def images_for(victim):
    return [image for image in IMAGES if image[1] ==
            {"plugin": "raw", "storage": "qcow2"}.get(victim, image[1])]


def said(became):
    return f"{NO_LIE}: " + ", ".join(sorted(set(became)))


def outcomes(verb, victim):
    """Nobody but qemu-storage-daemon has what was answered only in its memory."""
    return f"{NO_LIE}: {WHOLE}" if verb == COMMIT and victim != "storage" \
        else NO_LIE


def killed(verb, step, victim):
    def act(t):
        bench = KillBench(t)
        became = []
        for image in images_for(victim):
            became.append(bench.one(verb, step, victim, *image))
            if not became[-1]:
                bench.daemon.terminate()
                raise Absent
            if verb == ABORT and image[0] == "old":
                became.append(bench.one(verb, step, victim, *image, False))
        bench.daemon.terminate()
        return said(became)
    return act


def rows():
    for verb, step in places():
        for victim in VICTIMS:
            if verb == ADOPT and victim == "command":
                continue        # no command is what it does
            yield Row(f"{verb}/{step}/{victim}",
                      f"kill -9 of {victim} at {step} of {verb}",
                      killed(verb, step, victim), outcomes(verb, victim),
                      stage=False)
