#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Shell scripts are clean for shellcheck.
set -uo pipefail
cd "$PULLBACK_SRCDIR" || exit 1
test -e .git || { echo "SKIP: needs a git checkout"; exit 77; }
files=()
while IFS= read -r file; do
    if head -n 1 "$file" | grep -qE '^#!.*/(ba)?sh'; then
        files+=("$file")
    fi
done < <(git ls-files ':!run.in' ':!*.c' ':!*.h' ':!*.md')
test ${#files[@]} -gt 0 || { echo "FAIL: no shell scripts found"; exit 1; }
shellcheck --severity=warning --exclude=SC2046,SC2086 "${files[@]}"
