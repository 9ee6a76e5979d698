# Sourced by the scripts that build with cargo. Output files are located by cargo's JSON messages: their names contain
# hashes, and there may be several of them.
# shellcheck shell=sh

# cargo_build ARGUMENT ...: runs cargo build, and keeps its messages for the functions below
cargo_build() {
    messages=$(cargo build --locked --message-format=json-render-diagnostics "$@")
}

# configured: configures the nginx of `make` or $NGINX_BINARY with the module, in $tree. Each nginx has a target directory of
# its own, so that builds for different ones do not overwrite each other.
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

# tell_cargo: exports the paths of cargo's directory $target and of the nginx configured in $tree
tell_cargo() {
    CARGO_TARGET_DIR=$(cd "$target" && pwd -P)
    NGINX_SOURCE_DIR=$(cd "$tree" && pwd -P)
    NGINX_BUILD_DIR=$NGINX_SOURCE_DIR/objs
    export CARGO_TARGET_DIR NGINX_SOURCE_DIR NGINX_BUILD_DIR
}

# make_configured TARGET ...: builds targets of nginx's own Makefile, in $tree/objs
make_configured() {
    MAKEFLAGS='' "${MAKE:-make}" --silent --jobs="$(nproc)" -C "$tree" -f objs/Makefile "$@"
}

# built FILE: prints the path of the library or program of that name that cargo has built
built() {
    file=$(say "$messages" | sed -n '/"compiler-artifact"/s/.*"\([^"]*\/'"$1"'\)".*/\1/p')
    [ -f "$file" ] || die "cargo did not say where it built $1"
    say "$file"
}
