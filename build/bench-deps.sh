#!/bin/sh
# Installs what the benchmarks need in addition to the test dependencies.

cd "$(dirname "$0")/.."
. build/lib.sh

command -v apt-get >/dev/null || die "not a Debian: install HAProxy, wrk and valgrind"

# wrk: the load generator; haproxy: compared with the module
need_packages "to benchmark" wrk haproxy
