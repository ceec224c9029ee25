#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The units are valid for systemd, and expose as little as they can.
set -u
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
exposure=45             # 0: nothing, 100: everything

make -s -C "$PULLBACK_BUILDDIR/backupd" install-systemdsystemunitDATA \
    install-dist_sysusersDATA install-dist_tmpfilesDATA DESTDIR="$folder" \
    >/dev/null || exit 1
unit=$(find "$folder" -name pullback-backupd.service)
test -n "$unit" || { echo "FAIL: no unit was installed"; exit 1; }
# It looks for the program, which is not installed there.
program=$(sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' "$unit")
sed -i "s|^ExecStart=$program|ExecStart=$(command -v true)|" "$unit"
said=$(systemd-analyze verify --man=no "$unit" 2>&1 | grep -F pullback)
test -z "$said" || { echo "FAIL: systemd-analyze verify: $said"; exit 1; }
said=$(systemd-analyze security --offline=true --no-pager \
    --threshold=$exposure "$unit" 2>&1) \
    || { echo "FAIL: systemd-analyze security:"; echo "$said"; exit 1; }
tail -n 1 <<<"$said"
systemd-sysusers --dry-run "$(find "$folder" -path '*sysusers.d/*.conf')" >/dev/null 2>&1 \
    || { echo "FAIL: sysusers"; exit 1; }
grep -q '^x /run/pullback-' "$(find "$folder" -path '*tmpfiles.d/*.conf')" \
    || { echo "FAIL: tmpfiles"; exit 1; }
