#!/bin/sh
# What stickiness costs, for the module and the nginx that `make` builds. benches/README.md tells how it is
# measured, and is where the results go.
#
#   BENCH_QUICK   1: a part of it, printed only; against nginx's own sticky only if BENCH_NGINX is given
#   BENCH_NGINX   an nginx with a `sticky` of its own; empty: the one of Debian forky, from build/root.sh
#   NGINX_SOURCE_DIR  its sources, where no package brings them

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
    # A target of its own: the machine's nginx may be of this version too, and configured otherwise.
    NGINX_BINARY=$own NGINX_SOURCE_DIR=${NGINX_SOURCE_DIR:-} \
        CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/matrix sh build/module.sh
    set -- "$@" --own-nginx "$own" --own-module "$(NGINX_BINARY=$own module_dir)/$module.so"
fi
[ -z "${BENCH_QUICK:-}" ] || set -- "$@" --quick
exec python3 -B benches/bench.py "$@"
