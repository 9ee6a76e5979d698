#!/bin/sh
# Compiles the module with exactly the Rust that Cargo.toml names as the oldest: that of Debian 13, in a root that has
# nothing else, for the nginx of that release. As there: make NGINX_BINARY=/usr/sbin/nginx
#
#   MATRIX_ROOTS  the folder of the roots; empty: objs/roots

cd "$(dirname "$0")/.."
. build/lib.sh

# cargo, rustc: the compiler; the others as in deps.sh, and nginx as in root.sh
release=trixie
packages='cargo rustc gcc make clang libclang-dev libpcre2-dev libssl-dev zlib1g-dev nginx nginx-dev debhelper'

roots=$(roots_dir)
root=$roots/$release-rust
# Only when this is there the root is complete.
mark=$root.packages
if [ "$(cat "$mark" 2>/dev/null)" != "$packages" ]; then
    rm -f "$mark"
    # shellcheck disable=SC2086 # a list of words
    sh build/debootstrap.sh "$root" "$release" $packages
    say "$packages" >"$mark"
fi

# The crates of Cargo.lock, which cargo in there could not fetch.
dir=objs/msrv
mkdir -p "$dir/home" "$dir/target" "$dir/objs"
if ! cmp -s Cargo.lock "$dir/Cargo.lock"; then
    say "-- getting the crates of Cargo.lock"
    rm -rf "$dir/crates"
    cargo vendor --quiet --locked "$dir/crates" >/dev/null
    cp Cargo.lock "$dir/Cargo.lock"
fi
cat >"$dir/home/config.toml" <<END
[source.crates-io]
replace-with = "vendored"

[source.vendored]
directory = "/msrv/crates"
END

# In a mount namespace of its own, so that nothing stays mounted. The source is read-only.
# shellcheck disable=SC2016 # for the inner shell
as_root unshare --mount --propagation private sh -euc '
    root=$1
    mkdir -p "$root/source" "$root/msrv"
    mount --rbind /dev "$root/dev"
    mount --rbind /proc "$root/proc"
    mount --bind objs/msrv "$root/msrv"
    mount --bind . "$root/source"
    mount -o remount,bind,ro "$root/source"
    mount --bind objs/msrv/objs "$root/source/objs"
    shift
    exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin LC_ALL=C.UTF-8 \
        HOME=/msrv/home CARGO_HOME=/msrv/home CARGO_TARGET_DIR=/msrv/target "$@"
' sh "$root" sh -euc '
    cd /source
    wanted=$(sed -n "s/^rust-version = \"\(.*\)\"/\1/p" Cargo.toml)
    found=$(rustc --version | cut -d " " -f 2)
    if [ "${found%.*}" != "$wanted" ]; then
        echo "error: Cargo.toml says rust-version $wanted, and this Debian has Rust $found" >&2
        exit 1
    fi
    echo "-- the module with Rust $found, for $(nginx -v 2>&1)"
    make NGINX_BINARY=/usr/sbin/nginx
'
