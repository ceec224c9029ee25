#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Nothing is left for later in the text of the tree, and lines of code are not
# much longer than the 80 columns that docs/hacking.md wants (prototypes in
# headers and bars between sections may be).
set -uo pipefail
cd "$PULLBACK_SRCDIR" || exit 1
test -e .git || { echo "SKIP: needs a git checkout"; exit 77; }
status=0
# The pattern is written so that it does not find itself.
if git grep -nE '\b(TO''DO|XX''X|FIX''ME|HA''CK)\b' -- ':!COPYING'; then
    echo "FAIL: marks for later"
    status=1
fi
if git grep -nE '^.{101,}$' -- '*.c' '*.py' | grep -vE '/test-[^:]*:|:/\* ---.*--- \*/$'; then
    echo "FAIL: lines of more than 100 columns"
    status=1
fi
if git grep -nIE '[[:space:]]+$' -- '*.c' '*.h' '*.py' '*.sh'; then
    echo "FAIL: blanks at the end of lines"
    status=1
fi
exit $status
