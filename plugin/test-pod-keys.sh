#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Each parameter of the plugin is in its man page and in its help.
s=$PULLBACK_SRCDIR/plugin
keys=$(sed -n '/disk_config_keys\[\] = {/,/}/p' "$s/plugin-config.c" |
       grep -o '"[a-z-]*"' | tr -d '"')
test -n "$keys" || { echo "found no keys in plugin-config.c"; exit 1; }
status=0
for key in $keys; do
    grep -q "^=item B<$key=" "$s/nbdkit-pullback-plugin.pod" ||
        { echo "$key= is not in nbdkit-pullback-plugin.pod"; status=1; }
    grep -q "\"$key=" "$s/plugin-main.c" ||
        { echo "$key= is not in the plugin's help"; status=1; }
done
exit $status
