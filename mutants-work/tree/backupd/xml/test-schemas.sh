#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The schemas accept the documents that the tests read, and refuse others.
set -uo pipefail
cd "$PULLBACK_SRCDIR/backupd/xml" || exit 1
command -v xmllint >/dev/null || { echo "SKIP: there is no xmllint"; exit 77; }
status=0

# accepts SCHEMA FILE
accepts () { xmllint --nonet --noout --relaxng "schemas/$1.rng" "$2" 2>/dev/null; }

for file in pull-incremental pull-tcp; do
    accepts domainbackup "testdata/$file.xml" \
        || { echo "FAIL: domainbackup.rng refuses $file.xml"; status=1; }
done
accepts domaincheckpoint testdata/checkpoint-redefine.xml \
    || { echo "FAIL: domaincheckpoint.rng refuses checkpoint-redefine.xml"; status=1; }

# refuses SCHEMA TEXT
refuses ()
{
    if accepts "$1" - <<<"$2"; then
        echo "FAIL: $1.rng accepts $2"
        status=1
    fi
}

refuses domainbackup "<domainbackup/>"
refuses domainbackup "<domainbackup mode='push'/>"
refuses domainbackup "<domainbackup mode='pull'><server port='0'/></domainbackup>"
refuses domainbackup "<domainbackup mode='pull'><disks><disk/></disks></domainbackup>"
refuses domainbackup "<domainbackup mode='pull'><disks><disk name='a' backup='maybe'/></disks></domainbackup>"
refuses domaincheckpoint "<domaincheckpoint><name>a/b</name></domaincheckpoint>"
refuses domaincheckpoint "<domaincheckpoint><creationTime>x</creationTime></domaincheckpoint>"
refuses domaincheckpoint "<domaincheckpoint><disks><disk name='a' checkpoint='x'/></disks></domaincheckpoint>"
exit $status
