#!/bin/sh
# Prints the directory of the nginx sources in the crate nginx-src, which cargo has downloaded and verified by Cargo.lock.

cd "$(dirname "$0")/.."
. build/lib.sh

source=$(cargo metadata --locked --all-features --format-version=1 |
    sed 's/.*"manifest_path":"\([^"]*\/nginx-src[^"\/]*\)\/Cargo\.toml".*/\1\/nginx/')
[ -f "$source/auto/configure" ] || die "cargo did not say where the crate nginx-src is"
say "$source"
