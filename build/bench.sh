#!/bin/sh
# Measures the cost of sticky sessions, with the module and the nginx that `make` builds. benches/README.md describes the
# method, and the results are written there.
#
#   BENCH_QUICK   1: only prints some of the results; compares with nginx's own sticky only if BENCH_NGINX is given
#   BENCH_NGINX   an nginx with its own `sticky`; default: that of Debian forky, from build/root.sh
#   NGINX_SOURCE_DIR  its sources, if no package contains them

cd "$(dirname "$0")/.."
. build/lib.sh

so=objs/$module.so
need_built "$so"

own=${BENCH_NGINX:-}
if [ -z "$own" ] && [ -z "${BENCH_QUICK:-}" ]; then
    own=$(sh build/root.sh forky)
    NGINX_SOURCE_DIR=${own%.nginx}/usr/share/nginx/src
fi

set -- --nginx objs/nginx --module "$so" --haproxy "$(command -v haproxy)"
if [ -n "$own" ]; then
    # A separate target directory: this machine's nginx may have the same version but another configuration.
    NGINX_BINARY=$own NGINX_SOURCE_DIR=${NGINX_SOURCE_DIR:-} \
        CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/matrix sh build/module.sh
    set -- "$@" --own-nginx "$own" --own-module "$(NGINX_BINARY=$own module_dir)/$module.so"
fi
[ -z "${BENCH_QUICK:-}" ] || set -- "$@" --quick
exec python3 -B benches/bench.py "$@"
