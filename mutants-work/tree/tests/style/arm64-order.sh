#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The loads and stores of granule-atomic.h are as ordered on arm64 as the rules
# want them.  x86-64 orders nearly all by itself, so that no run there could tell.
set -uo pipefail
cd "$PULLBACK_SRCDIR" || exit 1
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
status=0

cat >"$folder/look.c" <<'END'
#include "granule-atomic.h"
uint64_t
look (_Atomic uint64_t *word, uint64_t *base)
{
  uint64_t old = *base;
  granule_look_fence ();
  return old + granule_word_acquire (word);
}
uint64_t
use (_Atomic uint64_t *word, uint64_t *store)
{
  uint64_t bits = granule_word_acquire (word);
  return bits + *store;
}
void
mark (_Atomic uint64_t *word, uint64_t *store)
{
  *store = 7;
  granule_word_set_release (word, 5);
}
void
spoil (_Atomic uint32_t *state, uint32_t *reason)
{
  *reason = 7;
  granule_state_store (state, 1);
}
uint32_t
spoilt (_Atomic uint32_t *state, uint32_t *reason)
{
  uint32_t was = granule_state_load (state);
  return was + *reason;
}
END

if ! clang --target=aarch64-linux-gnu -ffreestanding -O2 -S -Iproto/fleece \
        -o "$folder/look.s" "$folder/look.c" 2>"$folder/said"; then
    cat "$folder/said"
    grep -qE 'No available targets|unknown target' "$folder/said" || exit 1
    echo "SKIP: this clang does not know arm64"
    exit 77
fi

# code FUNCTION: its instructions that read, write or order memory, in a line.
code ()
{
    sed -n "/^$1:/,/^\.Lfunc_end/p" "$folder/look.s" \
        | grep -oE '^[[:space:]]+(ld|st|dmb|cas|swp)[a-z0-9]*' \
        | tr -s ' \t\n' ' '
}

# wants FUNCTION PATTERN WHAT
wants ()
{
    local got
    got=$(code "$1")
    echo "$1:$got"
    if ! [[ $got =~ ^\ $2\ $ ]]; then
        echo "FAIL: $3"
        status=1
    fi
}

wants look 'ldr dmb (ldar|ldapr)' \
      "a second look may come before the read of the base (V2)"
wants use '(ldar|ldapr) ldr' \
      "the store may be read before the look at the present bit (V1)"
wants mark 'str (ldxr|ldaxr) stlxr|str ldset(l|al)' \
      "a granule may be present before its data is there (S2)"
wants spoil 'str stlr' "the map may be broken before its reason is there"
wants spoilt '(ldar|ldapr) ldr' "the reason may be read before the state"

# Every look has the fence, as the view uses one function for both kinds.
for function in granule_map_test granule_map_run granule_map_broken; do
    body=$(sed -n "/^$function (/,/^}/p" proto/fleece/granule-map.c)
    before=${body%%granule_look_fence*}
    if test "$before" = "$body" || [[ $before == *load* ]]; then
        echo "FAIL: $function does not begin with granule_look_fence"
        status=1
    fi
done
exit $status
