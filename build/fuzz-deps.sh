#!/bin/sh
# Installs cargo-fuzz, and says so if the nightly toolchain that it needs is not there.

cd "$(dirname "$0")/.."
. build/lib.sh

cargo +nightly --version >/dev/null 2>&1 ||
    die "fuzzing needs Rust's nightly toolchain:" "rustup toolchain install nightly"

if command -v dpkg-query >/dev/null; then
    # libFuzzer, which the crate libfuzzer-sys compiles, is C++
    missing=$(missing_packages g++)
    # shellcheck disable=SC2086 # a list of words
    [ -z "$missing" ] || install_packages $missing
fi

cargo fuzz --version >/dev/null 2>&1 || {
    say "-- installing, to fuzz: cargo-fuzz"
    cargo install --locked --quiet cargo-fuzz@0.13.2
}
