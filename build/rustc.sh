#!/bin/sh
# Called by cargo instead of rustc, by .cargo/config.toml of a source tarball: removes the build directory from the paths in
# compiled files.

root=$(cd "$(dirname "$0")/.." && pwd -P)
exec "$@" --remap-path-prefix="$root=/ngx-http-session-sticky" \
    ${CARGO_TARGET_DIR:+--remap-path-prefix="$CARGO_TARGET_DIR=/ngx-http-session-sticky/target"}
