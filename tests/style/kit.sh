#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The rules of the test kit: every test is executable and runs in its main (),
# which looks for what is left; only its kill () signals a pid; marks are as
# tests/marked reads them, and among those of README.md.
set -uo pipefail
cd "$PULLBACK_SRCDIR/tests" || exit 1
status=0

fail () { echo "FAIL: $1"; status=1; }

# marks_in FOLDER...: what is, or is meant to be, a mark.
marks_in ()
{
    grep -rsHiE '^[[:space:]]*(#|/\*)[[:space:]]*marks?\b' "$@" \
         --include='*.py' --include='*.sh' --include='test-*.c'
}

wrong_marks ()
{
    marks_in "$@" | grep -vE \
        '^[^:]*:(# mark: [a-z-]+( [^ ]+)*|/\* mark: [a-z-]+( \(.*\))? \*/)$'
}

# not_run FILE...: what a test is, but for being executable.
not_run ()
{
    local file
    grep -slE '^#!|^ *(sys\.exit\()?main\(.*\)$' "$@" \
        | while read -r file; do test -x "$file" || echo "$file"; done
}

# This test sees what it is for.
try=$(mktemp -d) || exit 1
trap 'rm -rf "$try"' EXIT
for line in '# mark:x' '#mark: x' '# marks: x' '# Mark: x' '#  mark: x' \
            '# mark: X' '  # mark: x' '# mark: x: y' '# mark: x,y' '# mark x' \
            '# mark : x' '# mark:' '# mark: x  y'; do
    echo "$line" >"$try/a.py"
    test -n "$(wrong_marks "$try")" || fail "'$line' passes for a mark"
done
printf '%s\n' '# mark: x' '# mark: x y 1.5' >"$try/a.py"
test -z "$(wrong_marks "$try")" || fail "a mark does not pass for one"
for line in 'main(test)' '#!/bin/bash'; do
    echo "$line" >"$try/a.py"
    chmod -x "$try/a.py"
    test -n "$(not_run "$try/a.py")" || fail "that nothing runs a test is not seen"
    chmod +x "$try/a.py"
    test -z "$(not_run "$try/a.py")" || fail "a test that is run is refused"
done

tests=({bench,daemon,faults,fuzz,gateway,plugin,qemu,quiesce,restore,stress}/*.py)
for file in "${tests[@]}"; do
    if test -x "$file" && ! grep -qE '^( *)main\(.*\)$' "$file"; then
        fail "$file does not end in main (test)"
    fi
done
if grep -nE 'os\.kill\(' "${tests[@]}"; then
    fail "os.kill instead of the kit's kill"
fi
if not_run "${tests[@]}" ./*/*.sh style/*.py | grep .; then
    fail "tests that are not executable, so that nothing runs them"
fi
folders=(. ../proto ../plugin ../backupd)
known=$(sed -nE 's/^\| `mark: ([a-z-]+).*/\1/p' README.md)
if wrong_marks "${folders[@]}"; then
    fail "marks that are not '# mark: NAME [ARGUMENT...]'"
fi
used=$(marks_in "${folders[@]}" | sed -nE 's/.* mark: ([a-z-]+).*/\1/p' | sort -u)
for mark in $used; do
    grep -qx "$mark" <<<"$known" || fail "README.md lacks the mark $mark"
done
for mark in $known; do
    grep -qx "$mark" <<<"$used" || fail "no test has the mark $mark"
done
exit $status
