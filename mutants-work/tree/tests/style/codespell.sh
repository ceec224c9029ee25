#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Words are spelled right.
set -uo pipefail
cd "$PULLBACK_SRCDIR" || exit 1
test -e .git || { echo "SKIP: needs a git checkout"; exit 77; }
git ls-files ':!COPYING' ':!tests/fuzz/corpus' -z \
    | xargs -0 codespell --ignore-words=tests/style/words.txt
