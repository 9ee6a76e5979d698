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

need_to_build

target=${CARGO_TARGET_DIR:-target}
messages=$(mktemp)
trap 'rm -f "$messages"' EXIT

# A folder of cargo's for each nginx, so that building for one leaves the other's results in place.
# cargo tells in JSON where it put things: their names hold hashes and several may lie about.
build() {
    cargo build --locked --release --message-format=json-render-diagnostics "$@" >"$messages"
}

if is_vendored; then
    dir=objs
    [ -x objs/nginx ] || say "-- building nginx and the module; the first time takes two minutes"

    case $(cd "$target" 2>/dev/null || :; pwd) in
        *[[:space:]]*) die "nginx cannot be built below a path with a space in it" ;;
    esac

    # nginx-sys would prefer these to its own nginx.
    unset NGINX_SOURCE_DIR NGINX_BUILD_DIR
    CARGO_TARGET_DIR=$target build --features vendored

    out_dir=$(sed -n '/"build-script-executed"/s/.*[#/]nginx-sys[@#].*"out_dir":"\([^"]*\)".*/\1/p' \
        "$messages")
    [ -x "$out_dir/objs/nginx" ] || die "cargo did not say where it built nginx"

    # cargo runs a build script again when a file that it watches is newer than the script's last
    # run. This one writes what it watches: make that look as old as the run.
    touch -r "$out_dir/../invoked.timestamp" \
        "$out_dir/objs/Makefile" "$out_dir/objs/ngx_auto_config.h"

    mkdir -p objs
    cmp -s "$out_dir/objs/nginx" objs/nginx || install -m 755 "$out_dir/objs/nginx" objs/nginx
    nginx=objs/nginx
else
    need_nginx_binary build
    nginx=$NGINX_BINARY
    dir=$(module_dir)
    target=$target/$(basename "$dir")
    mkdir -p "$target"

    # Another nginx of this version may have been configured otherwise: its module must not be left for this
    # one, whatever happens from here on.
    is_built_for "$nginx" "$dir" || rm -f "$dir/$module.so"
    NGINX_SOURCE_DIR=$(sh build/headers.sh "$target")
    NGINX_BUILD_DIR=$NGINX_SOURCE_DIR/objs
    export NGINX_SOURCE_DIR NGINX_BUILD_DIR
    CARGO_TARGET_DIR=$target build
fi

built=$(sed -n '/"compiler-artifact"/s/.*"\([^"]*\/lib'"$module"'\.so\)".*/\1/p' "$messages")
[ -f "$built" ] || die "cargo did not say where it built the module"

mkdir -p "$dir"
is_vendored || identity "$nginx" >"$dir/built-for"
cmp -s "$built" "$dir/$module.so" || install -m 644 "$built" "$dir/$module.so"

sh build/check-load.sh "$nginx" "$dir/$module.so" || {
    rm -f "$dir/$module.so"
    exit 1
}
say "$dir/$module.so is for $nginx ($(nginx_version "$nginx"))"
