#!/bin/sh
# Installs what the benchmarks need beyond what testing needs.

cd "$(dirname "$0")/.."
. build/lib.sh

command -v apt-get >/dev/null || die "not a Debian: install HAProxy, wrk and valgrind"

# wrk: load; haproxy: what we are compared to
need_packages "to benchmark" wrk haproxy
