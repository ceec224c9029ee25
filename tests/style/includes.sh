#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# plugin/ and backupd/ never include each other, proto/ includes neither, and
# atomics are in one file; so is the starting of programs.
set -uo pipefail
cd "$PULLBACK_SRCDIR" || exit 1
test -e .git || { echo "SKIP: needs a git checkout"; exit 77; }
status=0

headers_of () { git ls-files "$1/*.h" | sed 's|.*/||' | sort -u; }

# forbid ROOM OTHER: no file of ROOM includes a header of OTHER.
forbid ()
{
    local header found
    for header in $(headers_of "$2"); do
        # A header of the same name may be ROOM's own.
        if git ls-files "$1/*" | grep -q "/$header\$"; then
            continue
        fi
        found=$(git grep -lE "#include [\"<]([^\">]*/)?${header}[\">]" -- "$1")
        if test -n "$found"; then
            echo "FAIL: $header of $2/ is included by" $found
            status=1
        fi
    done
}

forbid plugin backupd
forbid backupd plugin
forbid proto plugin
forbid proto backupd

found=$(git grep -lE 'stdatomic\.h|__atomic_|__sync_|atomic_(load|store)_explicit' \
            -- '*.c' '*.h' ':!tests/guest' ':!proto/fleece/granule-atomic.h')
if test -n "$found"; then
    echo "FAIL: atomics outside of proto/fleece/granule-atomic.h:" $found
    status=1
fi

# Only one place starts programs: what it passes on is what was asked for.
found=$(git grep -nE '\<(v?fork|clone3?|popen|system|posix_spawnp?|g_spawn_[a-z_]*|exec[vl][a-z]*) \(' \
            -- '*.c' '*.h' ':!tests/guest' ':!*/test-*.c' \
            ':!backupd/process/process-spawn.c' | grep -v '/\* ')
if test -n "$found"; then
    echo "FAIL: programs are started outside of backupd/process/:" "$found"
    status=1
fi

# What a program started by a library at the same moment must not get.
found=$(git grep -nE '\<(pipe|accept|dup|dup2|epoll_create|inotify_init) \(|\<f?open \([^;]*"[rwa]+"\)' \
            -- '*.c' '*.h' ':!tests/guest' ':!*/test-*.c' \
            ':!backupd/process/process-spawn.c')
if test -n "$found"; then
    echo "FAIL: descriptors without O_CLOEXEC:" "$found"
    status=1
fi
exit $status
