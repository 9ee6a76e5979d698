#!/bin/sh
# Installs cargo-fuzz, and fails if the nightly toolchain that it needs is missing.

cd "$(dirname "$0")/.."
. build/lib.sh

need_nightly fuzzing

# The crate libfuzzer-sys compiles libFuzzer, which is C++.
! command -v dpkg-query >/dev/null || need_packages "to fuzz" g++

cargo fuzz --version >/dev/null 2>&1 || {
    say "-- installing, to fuzz: cargo-fuzz"
    cargo install --locked --quiet cargo-fuzz@0.13.2
}
