#!/bin/sh
# rust-root.sh [PACKAGE ...]: creates a root file system of the Debian release with the oldest Rust that Cargo.toml allows,
# with the build dependencies and these packages, if it does not exist yet. Prints its directory.
#
#   MATRIX_ROOTS  directory of the root file systems; default: objs/roots

cd "$(dirname "$0")/.."
. build/lib.sh

# cargo, rustc: the compiler; nginx, nginx-dev, debhelper: see root.sh; others: see deps.sh
release=trixie
packages='cargo rustc gcc make clang libclang-dev libpcre2-dev libssl-dev zlib1g-dev nginx nginx-dev debhelper'

root=$(roots_dir)/$release-rust
# shellcheck disable=SC2086 # a list of words
sh build/debootstrap.sh "$root" "$release" $packages >&2

# The list of added packages is in the root file system, so that it is removed together with it.
added=$root/opt/added
missing=
for package; do
    grep -qsx "$package" "$added" || missing="$missing $package"
done
if [ -n "$missing" ]; then
    say "-- installing in $root:$missing" >&2
    # shellcheck disable=SC2016,SC2086 # for the inner shell; a list of words
    as_root chroot "$root" env DEBIAN_FRONTEND=noninteractive sh -euc '
        for package; do
            case $package in
                *:*) dpkg --add-architecture "${package#*:}" ;;
            esac
        done
        apt-get --quiet update
        apt-get install --yes --quiet --no-install-recommends "$@"
    ' sh $missing </dev/null >"$root.log" 2>&1 || {
        tail -n 15 "$root.log" >&2
        die "these packages cannot be installed, see $root.log"
    }
    # shellcheck disable=SC2086 # a list of words
    printf '%s\n' $missing | as_root tee -a "$added" >/dev/null
fi
say "$root"
