#!/bin/sh
# Builds the module for one nginx and proves that this nginx loads it.
#
#   NGINX_BINARY empty: builds the nginx of the crate nginx-src, too
#                       objs/nginx, objs/ngx_http_session_sticky_module.so
#   NGINX_BINARY=FILE:  objs/nginx-VERSION/ngx_http_session_sticky_module.so
#
# What headers.sh needs to know stands there.

cd "$(dirname "$0")/.."
. build/lib.sh
. build/cargo.sh

need_to_build

if is_vendored; then
    dir=objs
    [ -x objs/nginx ] || say "-- building nginx and the module; the first time takes two minutes"

    case $(cd "${CARGO_TARGET_DIR:-target}" 2>/dev/null || :; pwd) in
        *[[:space:]]*) die "nginx cannot be built below a path with a space in it" ;;
    esac

    cargo_build_for_nginx
    nginx=objs/nginx
    built_nginx=$(built_nginx)
    mkdir -p objs
    cmp -s "$built_nginx" "$nginx" || install -m 755 "$built_nginx" "$nginx"
else
    need_nginx_binary build
    nginx=$NGINX_BINARY
    dir=$(module_dir)

    # Another nginx of this version may have been configured otherwise: its module must not be left for this
    # one, whatever happens from here on.
    is_built_for "$nginx" "$dir" || rm -f "$dir/$module.so"
    cargo_build_for_nginx
fi

built=$(built "lib$module.so")
mkdir -p "$dir"
is_vendored || identity "$nginx" >"$dir/built-for"
cmp -s "$built" "$dir/$module.so" || install -m 644 "$built" "$dir/$module.so"

sh build/check-load.sh "$nginx" "$dir/$module.so" || {
    rm -f "$dir/$module.so"
    exit 1
}
say "$dir/$module.so is for $nginx ($(nginx_version "$nginx"))"
