#!/bin/sh
# library.sh OBJS: builds the static library that contains the module, for the nginx that is configured in OBJS, and puts it
# there. Called by nginx's Makefile, in nginx's source directory.
#
#   CARGO_TARGET_DIR  cargo's target directory; default: OBJS/cargo, which is separate for each nginx

set -eu

NGINX_SOURCE_DIR=$(pwd -P)
NGINX_BUILD_DIR=$(cd "$1" && pwd -P)
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$NGINX_BUILD_DIR/cargo}
mkdir -p "$CARGO_TARGET_DIR"
CARGO_TARGET_DIR=$(cd "$CARGO_TARGET_DIR" && pwd -P)
export NGINX_SOURCE_DIR NGINX_BUILD_DIR CARGO_TARGET_DIR

# A packager's .cargo/config.toml is found from this directory.
cd "$(dirname "$0")/.."
. build/lib.sh
. build/cargo.sh

library=$NGINX_BUILD_DIR/lib$module.a

# nginx-sys only watches two files of a configured tree, and would not notice changes of other headers.
if [ -f "$library" ] && [ -n "$(find -L "$NGINX_SOURCE_DIR/src" -name '*.h' -newer "$library")" ]; then
    cargo clean --locked --quiet --release --package nginx-sys
fi

cargo_build --release --package "$module"
cp "$(built "lib$module.a")" "$library"
