#!/bin/sh
# Builds the probe of the tests (tests/probe) for one nginx, of which the module was built before.
#
#   NGINX_BINARY empty: objs/ngx_http_upstream_probe_module.so
#   NGINX_BINARY=FILE:  objs/nginx-VERSION/ngx_http_upstream_probe_module.so

cd "$(dirname "$0")/.."
. build/lib.sh

probe=ngx_http_upstream_probe_module
dir=$(module_dir)
target=${CARGO_TARGET_DIR:-target}
messages=$(mktemp)
trap 'rm -f "$messages"' EXIT

# Together with the module, of which nothing is left to do: by itself the probe would need fewer features
# of some crates, and cargo would build those anew, and nginx with them.
build() {
    cargo build --locked --release --package "$module" --package "$probe" \
        --message-format=json-render-diagnostics "$@" >"$messages"
}

# The same folders of cargo's, and the same nginx, as in module.sh.
if is_vendored; then
    nginx=objs/nginx
    unset NGINX_SOURCE_DIR NGINX_BUILD_DIR
    CARGO_TARGET_DIR=$target build --features vendored
else
    need_nginx_binary build
    nginx=$NGINX_BINARY
    target=$target/$(basename "$dir")
    mkdir -p "$target"
    NGINX_SOURCE_DIR=$(sh build/headers.sh "$target")
    NGINX_BUILD_DIR=$NGINX_SOURCE_DIR/objs
    export NGINX_SOURCE_DIR NGINX_BUILD_DIR
    CARGO_TARGET_DIR=$target build
fi

built=$(sed -n '/"compiler-artifact"/s/.*"\([^"]*\/lib'"$probe"'\.so\)".*/\1/p' "$messages")
[ -f "$built" ] || die "cargo did not say where it built the probe"
mkdir -p "$dir"
cmp -s "$built" "$dir/$probe.so" || install -m 644 "$built" "$dir/$probe.so"
sh build/check-load.sh "$nginx" "$dir/$probe.so"
