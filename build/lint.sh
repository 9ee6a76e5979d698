#!/bin/sh
# Formatting, and clippy with its warnings as errors. clippy runs in the release profile only because
# nginx stands there already: another profile would build another one.

cd "$(dirname "$0")/.."
. build/lib.sh

unset NGINX_SOURCE_DIR NGINX_BUILD_DIR
set -x
cargo fmt --all --check
[ ! -f fuzz/Cargo.toml ] || cargo fmt --manifest-path fuzz/Cargo.toml --check
cargo clippy --locked --release --workspace --all-targets --features vendored -- --deny warnings
sh build/doc.sh
