# Sourced by the scripts that build with cargo. It tells in JSON where it puts things: their names hold hashes, and
# several may lie about.
# shellcheck shell=sh

# cargo_build ARGUMENT ...: builds, and keeps what cargo tells for the functions below
cargo_build() {
    messages=$(cargo build --locked --message-format=json-render-diagnostics "$@")
}

# configured: has the nginx of `make`, or $NGINX_BINARY, configured with the module, in $tree; in a folder of cargo's for
# each, so that building for one leaves the other's results in place
configured() {
    target=${CARGO_TARGET_DIR:-target}
    if is_vendored; then
        tree=$(sh build/vendored.sh "$target" --add-dynamic-module=session-sticky)
    else
        need_nginx_binary build
        target=$target/$(basename "$(module_dir)")
        mkdir -p "$target"
        tree=$(sh build/headers.sh "$target")
    fi
    tell_cargo
}

# tell_cargo: of its folder $target, and of the nginx that is configured in $tree
tell_cargo() {
    CARGO_TARGET_DIR=$(cd "$target" && pwd -P)
    NGINX_SOURCE_DIR=$(cd "$tree" && pwd -P)
    NGINX_BUILD_DIR=$NGINX_SOURCE_DIR/objs
    export CARGO_TARGET_DIR NGINX_SOURCE_DIR NGINX_BUILD_DIR
}

# make_configured TARGET ...: by nginx's own Makefile; what it builds is in $tree/objs
make_configured() {
    MAKEFLAGS='' "${MAKE:-make}" --silent --jobs="$(nproc)" -C "$tree" -f objs/Makefile "$@"
}

# built FILE: where cargo built the library or the program of that name
built() {
    file=$(say "$messages" | sed -n '/"compiler-artifact"/s/.*"\([^"]*\/'"$1"'\)".*/\1/p')
    [ -f "$file" ] || die "cargo did not say where it built $1"
    say "$file"
}
