# SPDX-License-Identifier: LGPL-2.1-or-later
"""Prometheus' text format, read strictly; its expressions, read for the
names of metrics."""

import re

from .outcome import Failed

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (\S+)")


class Metrics:
    """{family: {labels: value}} of TEXT; labels as a sorted tuple of pairs, without
    le.  Fails on anything that is not the format."""

    def __init__(self, text):
        self.types, self.samples = {}, {}
        self._family = None
        if not text.endswith("\n"):
            raise Failed("the metrics end without a newline")
        for line in text.splitlines():
            self._read(line)

    def _read(self, line):
        if line.startswith("# HELP "):
            self._family = line.split(" ", 3)[2]
            if self._family in self.types:
                raise Failed(f"{self._family} comes twice")
        elif line.startswith("# TYPE "):
            name, kind = line.split(" ")[2:]
            if name != self._family:
                raise Failed(f"TYPE of {name} after HELP of {self._family}")
            self.types[name] = kind
        else:
            self._read_sample(line)

    def _read_sample(self, line):
        found = SAMPLE.fullmatch(line)
        if not found:
            raise Failed(f"not a sample: {line}")
        name, labels, value = found.groups()
        kind = self.types.get(self._family)
        names = ([self._family] if kind != "histogram" else
                 [self._family + end for end in ("_bucket", "_sum", "_count")])
        if name not in names:
            raise Failed(f"{name} among the samples of {self._family}")
        if (kind == "counter") != name.endswith("_total"):
            raise Failed(f"{name} is a {kind}")
        key = tuple(sorted(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"',
                                      labels or "")))
        if key in self.samples.setdefault(name, {}):
            raise Failed(f"twice: {line}")
        self.samples[name][key] = float(value)

    def __contains__(self, name):
        return name in self.samples

    def get(self, name, **labels):
        """The one sample with these labels, whatever else it has; None: there
        is none."""
        want = {(key, str(value)) for key, value in labels.items()}
        found = [value for key, value in self.samples.get(name, {}).items()
                 if want <= set(key)]
        if len(found) > 1:
            raise Failed(f"{len(found)} samples of {name} {labels}")
        return found[0] if found else None


def names_in(expression):
    """The metrics that a PromQL expression names."""
    bare = re.sub(r'"[^"]*"|\{[^}]*\}|\b(?:by|on|without|ignoring)\s*\([^)]*\)',
                  "", expression)
    return {word for word in re.findall(rf"{NAME}(?!\s*\()", bare)
            if word.startswith("pullback_")}
