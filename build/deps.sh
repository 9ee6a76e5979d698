#!/bin/sh
# Installs the build dependencies other than Rust.
#
#   NGINX_SOURCE_DIR  the sources of the nginx for which the module is built, if no package contains them

cd "$(dirname "$0")/.."
. build/lib.sh

# gcc, make: build nginx
# clang, libclang-dev: used by bindgen to read nginx's headers
# libpcre2-dev, libssl-dev, zlib1g-dev: headers that nginx's headers include
# libpcre3-dev: instead of libpcre2-dev, for an nginx that only supports PCRE 1
missing=$(missing_to_build)
[ -n "$missing" ] || exit 0
command -v apt-get >/dev/null ||
    die "not a Debian, and building needs what is not here:" "$(say "$missing" | sed 's/^[^ ]* *//')" "install it"

missing=$(say "$missing" | sed 's/ .*//')
# shellcheck disable=SC2086 # a list of words
set -- $missing
say "-- installing, to build nginx and its module: $*"
install_packages "$@"
[ -z "$(missing_to_build)" ] || die "installed, and still not here:" "$(missing_to_build)"
