# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What makes a minimal Debian in a folder, from the mirror and by the proxy that this
# machine's apt uses.  To be sourced, with $folder, where logs go, and fail and say.

look_for_tools ()
{
    test "$(id -u)" -eq 0 || fail "needs root"
    command -v unshare >/dev/null || fail "needs unshare (package util-linux)"
    if ! command -v debootstrap >/dev/null; then
        say "installing debootstrap"
        apt-get install -q -y --no-install-recommends debootstrap \
            >"$folder/debootstrap-install.log" 2>&1 </dev/null \
            || fail "needs debootstrap, and apt-get cannot install it"
    fi
}

# apt_sources SUITE: "URI SUITE COMPONENTS" of each of this machine's sources of that
# release of Debian and its updates; "": of any.
apt_sources ()
{
    apt-get indextargets --format '$(CREATED_BY) $(ORIGIN) $(CODENAME) $(REPO_URI) $(RELEASE) $(COMPONENT)' \
        | awk -v suite="$1" '
            $1 == "Packages" && $2 == "Debian" && index ($3, suite) == 1 {
                print $4, $5, $6 }' | sort -u
}

# How to reach the mirror; the rest of this machine's apt is its own business.
apt_settings ()
{
    apt-config dump --no-empty --format '%F "%v";%n' Acquire \
        | grep -E '^Acquire::(http|https|ftp|Retries|ForceIPv|Check-)'
}

# bootstrap SUITE ROOT MIRROR OPTION...: as debootstrap leaves it.
bootstrap ()
{
    local proxy
    # The settings' names are those of apt's own shell interface.
    proxy=$(apt-config shell p Acquire::http::Proxy | sed "s/^p='\(.*\)'$/\1/")
    test -z "$proxy" || export http_proxy=$proxy
    debootstrap --variant=minbase "${@:4}" "$1" "$2" "$3" \
        >"$folder/debootstrap.log" 2>&1 </dev/null || {
        tail -n 20 "$folder/debootstrap.log" >&2
        fail "debootstrap fails; its log is $folder/debootstrap.log"
    }
}
