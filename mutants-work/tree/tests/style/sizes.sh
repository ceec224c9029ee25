#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Functions have at most 60 lines, files at most 500.
set -uo pipefail
cd "$PULLBACK_SRCDIR" || exit 1
test -e .git || { echo "SKIP: needs a git checkout"; exit 77; }
status=0
mapfile -t files < <(git ls-files '*.c' '*.h' '*.py')
test ${#files[@]} -gt 0 || { echo "FAIL: no source files found"; exit 1; }
for file in "${files[@]}"; do
    lines=$(wc -l <"$file")
    if test "$lines" -gt 500; then
        echo "FAIL: $file has $lines lines"
        status=1
    fi
done
long=$(ctags -x --_xformat='%e %n %N %F' --languages=C,Python \
           --kinds-C=f --kinds-Python=fm --fields=+ne "${files[@]}" \
       | awk '$1 - $2 + 1 > 60 { print "FAIL: " $4 ": " $3 " has " \
                                 $1 - $2 + 1 " lines" }')
if test -n "$long"; then
    echo "$long"
    status=1
fi
exit $status
