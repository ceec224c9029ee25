#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Each parameter that the plugin knows is in its man page and in its help.
s=$PULLBACK_SRCDIR/plugin
own=$(sed -n 's/.*strcmp (key, "\([a-z-]*\)").*/\1/p' "$s/plugin-config.c" |
      sort -u)
bases=$(sed -n 's/^SOURCE ([A-Z_]*, "\([a-z-]*\)".*/\1/p' \
            "$s/source/source-kinds.tbl.h")
test -n "$own" || { echo "found no keys in plugin-config.c"; exit 1; }
test -n "$bases" || { echo "found no keys in source-kinds.tbl.h"; exit 1; }
status=0
for key in $own $bases; do
    grep -q "^=item B<$key=" "$s/nbdkit-pullback-plugin.pod" ||
        { echo "$key= is not in nbdkit-pullback-plugin.pod"; status=1; }
done
for key in $own; do
    grep -q "\"$key=" "$s/plugin-main.c" ||
        { echo "$key= is not in the plugin's help"; status=1; }
done
exit $status
