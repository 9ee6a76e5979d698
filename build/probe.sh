#!/bin/sh
# Builds the probe of the tests (tests/probe) for an nginx for which the module has been built.
#
#   NGINX_BINARY empty: objs/ngx_http_upstream_probe_module.so
#   NGINX_BINARY=FILE:  objs/nginx-VERSION/ngx_http_upstream_probe_module.so

cd "$(dirname "$0")/.."
. build/lib.sh
. build/cargo.sh

# Together with the module, which is up to date: the probe alone would need fewer features of some crates, and cargo would
# rebuild these.
configured
cargo_build --release --package "$module" --package "$probe"

dir=$(module_dir)
built=$(built "lib$probe.so")
mkdir -p "$dir"
cmp -s "$built" "$dir/$probe.so" || install -m 644 "$built" "$dir/$probe.so"
sh build/check-load.sh "$(tested_nginx)" "$dir/$probe.so"
