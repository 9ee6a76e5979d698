#!/bin/sh
# Builds the module for one nginx and proves that this nginx loads it.
#
#   NGINX_BINARY empty: builds the nginx of the crate nginx-src, too
#                       objs/nginx, objs/ngx_http_session_sticky_module.so
#   NGINX_BINARY=FILE:  objs/nginx-VERSION/ngx_http_session_sticky_module.so
#
# nginx's own configure and make build it, as they would without this script: ../config and ../config.make. What
# headers.sh needs to know stands there. STRIP is strip for another architecture.

cd "$(dirname "$0")/.."
. build/lib.sh
. build/cargo.sh

need_to_build

if is_vendored; then
    nginx=objs/nginx
    dir=objs
    [ -x "$nginx" ] || say "-- building nginx and the module; the first time takes two minutes"
    configured
    # the library first, which takes longest
    make_configured modules binary
    mkdir -p "$dir"
    cmp -s "$tree/objs/nginx" "$nginx" || install -m 755 "$tree/objs/nginx" "$nginx"
else
    need_nginx_binary build
    nginx=$NGINX_BINARY
    dir=$(module_dir)

    # Another nginx of this version may have been configured otherwise: its module must not be left for this
    # one, whatever happens from here on.
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
