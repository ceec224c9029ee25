#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every source file says its licence in its first lines.
set -uo pipefail
cd "$PULLBACK_SRCDIR" || exit 1
test -e .git || { echo "SKIP: needs a git checkout"; exit 77; }
status=0
while IFS= read -r file; do
    case $file in
    *.md | *.pod | *.syms | */local.mk | COPYING | .gitignore | */.gitignore | *.txt | *.json | *.xml) continue ;;
    tests/fuzz/corpus/*) continue ;;
    esac
    head -n 3 "$file" | grep -q 'SPDX-License-Identifier: LGPL-2.1-or-later' \
        || { echo "FAIL: no SPDX line: $file"; status=1; }
done < <(git ls-files)
exit $status
