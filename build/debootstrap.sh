#!/bin/sh
# debootstrap.sh ROOT SUITE PACKAGE ...: makes the folder ROOT, a root of that release of Debian with these packages, unless
# it is there already. What debootstrap says goes to ROOT.log.

cd "$(dirname "$0")/.."
. build/lib.sh

root=$1
suite=$2
shift 2

# Only when this is there the root is complete.
mark=$root.packages
[ "$(cat "$mark" 2>/dev/null)" != "$suite $*" ] || exit 0
rm -f "$mark"

command -v apt-get >/dev/null || die "not a Debian: debootstrap needs a mirror to take packages from"
need_packages "to have what other releases of Debian package" debootstrap
uri=$(sh build/mirror.sh)

# Every release that debootstrap knows since jessie is made by the script of sid, and so is one that it does not know
# yet.
#
# In a mount namespace of its own: /proc in there goes away with it, whatever happens.
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
