#!/bin/sh
# Builds the module for an nginx, and checks that this nginx loads it.
#
#   NGINX_BINARY empty: also builds the nginx of the crate nginx-src:
#                       objs/nginx, objs/ngx_http_session_sticky_module.so
#   NGINX_BINARY=FILE:  objs/nginx-VERSION/ngx_http_session_sticky_module.so
#
# The module is built by nginx's own configure and make, with ../config and ../config.make. headers.sh describes further
# variables. STRIP is the strip program for another architecture.

cd "$(dirname "$0")/.."
. build/lib.sh
. build/cargo.sh

need_to_build

if is_vendored; then
    nginx=objs/nginx
    dir=objs
    [ -x "$nginx" ] || say "-- building nginx and the module; the first time takes two minutes"
    configured
    # modules first, because the library takes longest
    make_configured modules binary
    mkdir -p "$dir"
    cmp -s "$tree/objs/nginx" "$nginx" || install -m 755 "$tree/objs/nginx" "$nginx"
else
    need_nginx_binary build
    nginx=$NGINX_BINARY
    dir=$(module_dir)

    # The existing module may be for another nginx of this version: it must not remain if the build fails.
    is_built_for "$nginx" "$dir" || rm -f "$dir/$module.so"
    configured
    make_configured "objs/$module.so"
    mkdir -p "$dir"
    identity "$nginx" >"$dir/built-for"
fi

# shellcheck disable=SC3013 # each sh that there is has it
[ "$dir/$module.so" -nt "$tree/objs/$module.so" ] ||
    install -s ${STRIP:+--strip-program="$STRIP"} -m 644 "$tree/objs/$module.so" "$dir/$module.so"

sh build/check-load.sh "$nginx" "$dir/$module.so" || {
    rm -f "$dir/$module.so"
    exit 1
}
say "$dir/$module.so is for $nginx ($(nginx_version "$nginx"))"
