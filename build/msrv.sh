#!/bin/sh
# Compiles the module with the oldest Rust that Cargo.toml allows, which is that of Debian 13, in a root file system of that
# release and for its nginx, by make NGINX_BINARY=/usr/sbin/nginx.
#
#   MATRIX_ROOTS  directory of the root file systems; default: objs/roots

cd "$(dirname "$0")/.."
. build/lib.sh

root=$(sh build/rust-root.sh)
sh build/crates.sh objs/msrv
exec sh build/in-root.sh "$root" objs/msrv sh -euc '
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
