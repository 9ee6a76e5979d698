#!/bin/sh
# Installs what building the module needs beyond Rust.

cd "$(dirname "$0")/.."
. build/lib.sh

if ! command -v dpkg-query >/dev/null; then
    say "not a Debian: install clang, gcc, make and the headers of OpenSSL, PCRE2 and zlib"
    exit
fi

# gcc, make: build nginx
# clang, libclang-dev: bindgen reads nginx's headers with them
# libpcre2-dev, libssl-dev, zlib1g-dev: nginx's headers include theirs
missing=$(missing_packages gcc make clang libclang-dev libpcre2-dev libssl-dev zlib1g-dev)
[ -n "$missing" ] || exit 0

say "-- installing, to build nginx and its module:$missing"
# shellcheck disable=SC2086 # a list of words
install_packages $missing
