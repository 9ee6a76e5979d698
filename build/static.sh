#!/bin/sh
# Builds an nginx into which the module is compiled, and the probe of the tests for it: objs/static/nginx and
# objs/static/ngx_http_upstream_probe_module.so.

cd "$(dirname "$0")/.."
. build/lib.sh
. build/cargo.sh

need_to_build

dir=objs/static
target=${CARGO_TARGET_DIR:-target}/static
[ -x "$dir/nginx" ] || say "-- building nginx with the module in it; the first time takes two minutes"
tree=$(sh build/vendored.sh "$target" --add-module=session-sticky)
tell_cargo
make_configured binary
cargo_build --release --package "$module" --package "$probe"

mkdir -p "$dir"
install -m 755 "$tree/objs/nginx" "$dir/nginx"
install -m 644 "$(built "lib$probe.so")" "$dir/$probe.so"
