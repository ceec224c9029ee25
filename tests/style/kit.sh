#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The rules of the test kit: every test runs in its main (), which looks for what
# is left; only its kill () signals a pid; marks are among those of README.md.
set -uo pipefail
cd "$PULLBACK_SRCDIR/tests" || exit 1
status=0

fail () { echo "FAIL: $1"; status=1; }

for file in {bench,daemon,fuzz,gateway,plugin,qemu,quiesce,stress}/*.py; do
    if test -x "$file" && ! grep -qE '^( *)main\(.*\)$' "$file"; then
        fail "$file does not end in main (test)"
    fi
done
if grep -nE 'os\.kill\(' {bench,daemon,fuzz,gateway,plugin,qemu,quiesce,stress}/*.py; then
    fail "os.kill instead of the kit's kill"
fi
known=$(sed -nE 's/^\| `mark: ([a-z-]+).*/\1/p' README.md)
used=$(grep -rhoE '^(#|/\*) mark: [a-z-]+' --include='*.py' --include='*.sh' \
           --include='test-*.c' . ../proto ../plugin ../backupd \
       | sed 's/.* //' | sort -u)
for mark in $used; do
    grep -qx "$mark" <<<"$known" || fail "README.md lacks the mark $mark"
done
for mark in $known; do
    grep -qx "$mark" <<<"$used" || fail "no test has the mark $mark"
done
exit $status
