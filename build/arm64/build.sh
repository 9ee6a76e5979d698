#!/bin/sh
# Called by arm64.sh in its root file system: builds the module for an aarch64 nginx, and runs the crate's tests.

cd "$(dirname "$0")/../.."
. build/lib.sh

# The variables for another architecture, as in docs/install.md.
CC=aarch64-cc
CARGO_BUILD_TARGET=aarch64-unknown-linux-gnu
CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
BINDGEN_EXTRA_CLANG_ARGS=--target=aarch64-linux-gnu
STRIP=aarch64-linux-gnu-strip
export CC CARGO_BUILD_TARGET CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER BINDGEN_EXTRA_CLANG_ARGS STRIP
CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=qemu-aarch64
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER

# Wrappers of the C compiler and uname for nginx's configure.
PATH=$(pwd)/build/arm64/bin:$PATH
export PATH NGINX_BINARY="$1"

sh build/module.sh
sh build/probe.sh
# Optimized, because some tests would take minutes under qemu. Overflow checks remain enabled.
SESSION_COOKIE_TEST_RUN_BY=qemu-aarch64 CARGO_PROFILE_DEV_OPT_LEVEL=1 cargo test --locked --package session-cookie
