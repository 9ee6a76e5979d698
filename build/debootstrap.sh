#!/bin/sh
# debootstrap.sh ROOT SUITE PACKAGE ...: creates in ROOT a root file system of that Debian release with these packages, if it
# does not exist yet. The output of debootstrap is written to ROOT.log.

cd "$(dirname "$0")/.."
. build/lib.sh

root=$1
suite=$2
shift 2

# This file exists if the root file system is complete.
mark=$root.packages
[ "$(cat "$mark" 2>/dev/null)" != "$suite $*" ] || exit 0
rm -f "$mark"

command -v apt-get >/dev/null || die "not a Debian: debootstrap needs a mirror to take packages from"
need_packages "to have what other releases of Debian package" debootstrap
uri=$(sh build/mirror.sh)

# The script of sid is used for all releases since jessie, and works for releases that debootstrap does not know yet.
#
# In its own mount namespace, so that /proc is unmounted in any case.
say "-- making $root: a minute or two"
mkdir -p "$(dirname "$root")"
as_root rm -rf "$root"
as_root unshare --mount --propagation private debootstrap --variant=minbase \
    --include="$(say "$*" | tr ' ' ,)" "$suite" "$root" "$uri" sid >"$root.log" 2>&1 || {
    tail -n 15 "$root.log" >&2
    die "debootstrap failed, see $root.log and $root/debootstrap/debootstrap.log"
}
as_root rm -rf "$root/var/cache/apt" "$root/var/lib/apt/lists"
say "$suite $*" >"$mark"
