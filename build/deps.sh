#!/bin/sh
# Installs what building the module needs beyond Rust.
#
#   NGINX_SOURCE_DIR  the sources of the nginx that it is built for, where no package brings them

cd "$(dirname "$0")/.."
. build/lib.sh

# gcc, make: build nginx
# clang, libclang-dev: bindgen reads nginx's headers with them
# libpcre2-dev, libssl-dev, zlib1g-dev: nginx's headers include theirs
# libpcre3-dev: instead of libpcre2-dev, for an nginx that only takes PCRE 1
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
