#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion offers files where a file is wanted, and complains of no word.
set -uo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
touch some-file
. "$PULLBACK_SRCDIR/backupd/cli/pullback.bash"
status=0

# expect REPLY WORD...: completing the last WORD offers REPLY ("": nothing).
expect ()
{
    local reply=$1 said
    shift
    COMP_WORDS=("$@")
    COMP_CWORD=$(($# - 1))
    COMPREPLY=()
    said=$(_pullback 2>&1)
    _pullback 2>/dev/null
    if test "${COMPREPLY[*]}" != "$reply" || test -n "$said"; then
        echo "FAIL: $*: ${COMPREPLY[*]}; said: $said"
        status=1
    fi
}

for words in --socket --qmp "domain-add a --qmp" "domain-add a --xml" \
        "backup-begin a --backupxml" "run --state-dir"; do
    # shellcheck disable=SC2086
    expect some-file pullback $words some
done
expect version pullback vers
expect --strict pullback run --str
for word in '--[' '--q.p' '-- ' '--(' '--qmp|--xml'; do
    expect '' pullback domain-add a "$word" some
done
exit $status
