#!/bin/sh
# Called by cargo in place of rustc, as .cargo/config.toml of a source tarball says: the same, but nothing in what it
# builds tells in which folder that was.

root=$(cd "$(dirname "$0")/.." && pwd -P)
exec "$@" --remap-path-prefix="$root=/ngx-http-session-sticky" \
    ${CARGO_TARGET_DIR:+--remap-path-prefix="$CARGO_TARGET_DIR=/ngx-http-session-sticky/target"}
