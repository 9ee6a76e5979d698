#!/bin/sh
# build.sh PCRE2: called by musl.sh in its root file system: builds nginx and the module with musl, and runs the crate's
# tests.

cd "$(dirname "$0")/../.."
. build/lib.sh
. build/cargo.sh

triple=x86_64-unknown-linux-musl

# A function of glibc that Debian's libgcc calls.
musl-gcc -fPIC -O2 -Wall -Wextra -Werror -c -o /built/libgcc.o build/musl/libgcc.c
# The shared libgcc, which Rust links, needs glibc.
mkdir -p /built/lib
say 'INPUT(/built/libgcc.o -lgcc_eh)' >/built/lib/libgcc_s.so

CC=musl-gcc
CARGO_BUILD_TARGET=$triple
CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER=musl-gcc
BINDGEN_EXTRA_CLANG_ARGS='-nostdlibinc -isystem /usr/include/x86_64-linux-musl'
# The module must use the C library of the nginx that loads it, not a copy that Rust links.
RUSTFLAGS='-Ctarget-feature=-crt-static -Clink-self-contained=no -Lnative=/built/lib'
# Building the standard library needs an unstable option of cargo.
RUSTC_BOOTSTRAP=1
CARGO_UNSTABLE_BUILD_STD="std panic_abort"
export CC CARGO_BUILD_TARGET CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER BINDGEN_EXTRA_CLANG_ARGS RUSTFLAGS \
    RUSTC_BOOTSTRAP CARGO_UNSTABLE_BUILD_STD

pcre=/built/pcre2
[ -d "$pcre" ] || cp -R "$1" "$pcre"
CONFIGURE_OPTIONS='--with-compat --with-threads --with-http_v2_module --with-http_realip_module
    --with-http_addition_module --with-http_auth_request_module --with-http_slice_module
    --with-http_stub_status_module --with-http_sub_module --without-http_gzip_module'
export CONFIGURE_OPTIONS

target=$CARGO_TARGET_DIR
tree=$(sh build/vendored.sh "$target" --add-dynamic-module=session-sticky --with-cc=musl-gcc --with-pcre="$pcre" \
    --with-ld-opt=/built/libgcc.o)
tell_cargo
make_configured modules binary
cargo_build --release --package "$module" --package "$probe"

install -m 755 "$tree/objs/nginx" objs/nginx
install -s -m 644 "$tree/objs/$module.so" "objs/$module.so"
install -m 644 "$(built "lib$probe.so")" "objs/$probe.so"
sh build/check-load.sh objs/nginx "objs/$module.so"

cargo test --locked --package session-cookie
