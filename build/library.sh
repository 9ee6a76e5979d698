#!/bin/sh
# library.sh OBJS: builds the library with all of the module in it, for the nginx that is configured in OBJS, and puts it
# there. Called by nginx's Makefile, in the folder of nginx's sources.
#
#   CARGO_TARGET_DIR  cargo's folder; empty: OBJS/cargo, so that one nginx leaves another's results in place

set -eu

NGINX_SOURCE_DIR=$(pwd -P)
NGINX_BUILD_DIR=$(cd "$1" && pwd -P)
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$NGINX_BUILD_DIR/cargo}
mkdir -p "$CARGO_TARGET_DIR"
CARGO_TARGET_DIR=$(cd "$CARGO_TARGET_DIR" && pwd -P)
export NGINX_SOURCE_DIR NGINX_BUILD_DIR CARGO_TARGET_DIR

# Where a .cargo/config.toml of a packager is.
cd "$(dirname "$0")/.."
. build/lib.sh
. build/cargo.sh

library=$NGINX_BUILD_DIR/lib$module.a

# nginx-sys looks at two files of a configured tree, and would not see that another header has changed.
if [ -f "$library" ] && [ -n "$(find -L "$NGINX_SOURCE_DIR/src" -name '*.h' -newer "$library")" ]; then
    cargo clean --locked --quiet --release --package nginx-sys
fi

cargo_build --release --package "$module"
cp "$(built "lib$module.a")" "$library"
