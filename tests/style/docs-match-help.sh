#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every option that a program's --help names is an item of its manual page, and
# every one that the manual page lists is in --help.  (That of pullback, with an
# own section for each command: tests/daemon/manual-pages-match.py.)
set -uo pipefail
cd "$PULLBACK_SRCDIR" || exit 1
test -e .git || { echo "SKIP: needs a git checkout"; exit 77; }
status=0

# compare PROGRAM POD
compare ()
{
    local help pod
    help=$("$1" --help 2>&1) || { echo "FAIL: $1 --help fails"; status=1; }
    help=$(sed -nE 's/^ +(-[a-zA-Z], )?(--[a-z-]+).*/\2/p' <<<"$help" | sort -u)
    pod=$(sed -n 's/^=item .*/&/p' "$2" | grep -oE -- '--[a-z][a-z-]+' | sort -u)
    test -n "$help" || { echo "FAIL: $1 --help names no option"; status=1; }
    for option in $(comm -23 <(echo "$help") <(echo "$pod")); do
        echo "FAIL: $2 does not describe $option of $1"
        status=1
    done
    for option in $(comm -13 <(echo "$help") <(echo "$pod")); do
        echo "FAIL: $2 describes $option, which $1 --help does not name"
        status=1
    done
}

for program in pullback-backupd pullback-gateway pullback-libvirt pullback-quiesce \
        pullback-differ; do
    pod=$(git ls-files "*/$program.pod" "docs/$program.*pod" | head -n 1)
    if test -z "$pod"; then
        echo "FAIL: $program has no manual page"
        status=1
        continue
    fi
    compare "$program" "$pod"
done
exit $status
