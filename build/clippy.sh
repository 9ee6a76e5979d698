#!/bin/sh
# clippy over everything, with its warnings as errors. In the release profile only because nginx
# stands there already: another profile would build another one.

cd "$(dirname "$0")/.."
. build/lib.sh

unset NGINX_SOURCE_DIR NGINX_BUILD_DIR
set -x
cargo clippy --release --workspace --all-targets --features vendored -- --deny warnings
