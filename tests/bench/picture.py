# SPDX-License-Identifier: LGPL-2.1-or-later
"""Pictures of figures, by gnuplot."""

import os
import shutil
import tempfile

from pullbacktest import Skip, run

# In gnuplot's language.
BARS = """\
set terminal pngcairo size %d,520 font 'sans,10'
set output '%s'
set title "%s"
set style data histogram
set style fill solid 0.8
set boxwidth 0.9
set yrange [0:*]
set ytics nomirror
set xtics rotate by -35 nomirror
set grid y
set key outside top center horizontal
set arrow from graph 0, first 1 to graph 1, first 1 nohead linewidth 2
"""


def look_for_gnuplot():
    if not shutil.which("gnuplot"):
        raise Skip("--plot needs gnuplot: apt-get install gnuplot-nox")


def draw(script):
    with tempfile.NamedTemporaryFile("w", suffix=".gnuplot") as stream:
        stream.write(script)
        stream.flush()
        run("gnuplot", stream.name)


def bars(path, title, names, rows):
    """ROWS: [(label, [a number for each of NAMES, or None])]."""
    script = BARS % (max(700, 120 + 45 * len(rows) * len(names)),
                     os.path.abspath(path), title)
    script += "$data << end\n"
    for label, numbers in rows:
        script += f'"{label}" ' + " ".join(
            "?" if number is None else f"{number:.3f}"
            for number in numbers) + "\n"
    script += "end\nset datafile missing '?'\nplot " + ", ".join(
        f"$data using {column + 2}:xtic(1) title '{name}'"
        for column, name in enumerate(names)) + "\n"
    draw(script)
