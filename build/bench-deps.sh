#!/bin/sh
# Installs what the benchmarks need beyond what testing needs.

cd "$(dirname "$0")/.."
. build/lib.sh

command -v apt-get >/dev/null || die "not a Debian: install HAProxy, wrk and valgrind"

# wrk: load; haproxy: what we are compared to
missing=$(missing_packages wrk haproxy)
[ -n "$missing" ] || exit 0
say "-- installing, to benchmark:$missing"
# shellcheck disable=SC2086 # a list of words
install_unstarted $missing
