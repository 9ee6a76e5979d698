# Sourced by the scripts that build with cargo. It tells in JSON where it puts things: their names hold hashes, and
# several may lie about.
# shellcheck shell=sh

# cargo_build ARGUMENT ...: builds, and keeps what cargo tells for the functions below
cargo_build() {
    messages=$(cargo build --locked --message-format=json-render-diagnostics "$@")
}

# cargo_build_for_nginx ARGUMENT ...: for the nginx of `make`, or for $NGINX_BINARY; in a folder of cargo's for each, so
# that building for one leaves the other's results in place
cargo_build_for_nginx() {
    target=${CARGO_TARGET_DIR:-target}
    if is_vendored; then
        # nginx-sys would prefer these to its own nginx.
        unset NGINX_SOURCE_DIR NGINX_BUILD_DIR
        set -- --features vendored "$@"
    else
        need_nginx_binary build
        target=$target/$(basename "$(module_dir)")
        mkdir -p "$target"
        NGINX_SOURCE_DIR=$(sh build/headers.sh "$target")
        NGINX_BUILD_DIR=$NGINX_SOURCE_DIR/objs
        export NGINX_SOURCE_DIR NGINX_BUILD_DIR
    fi
    CARGO_TARGET_DIR=$target cargo_build --release "$@"
}

# built FILE: where cargo built the library or the program of that name
built() {
    file=$(say "$messages" | sed -n '/"compiler-artifact"/s/.*"\([^"]*\/'"$1"'\)".*/\1/p')
    [ -f "$file" ] || die "cargo did not say where it built $1"
    say "$file"
}

# built_nginx: where it built the nginx of the crate nginx-src
built_nginx() {
    out_dir=$(say "$messages" |
        sed -n '/"build-script-executed"/s/.*[#/]nginx-sys[@#].*"out_dir":"\([^"]*\)".*/\1/p')
    [ -x "$out_dir/objs/nginx" ] || die "cargo did not say where it built nginx"

    # cargo runs a build script again when a file that it watches is newer than the script's last run. This one writes
    # what it watches: make that look as old as the run.
    touch -r "$out_dir/../invoked.timestamp" "$out_dir/objs/Makefile" "$out_dir/objs/ngx_auto_config.h"
    say "$out_dir/objs/nginx"
}
