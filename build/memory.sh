#!/bin/sh
# Runs tests/allocation-failures: allocations of an nginx with the module fail, one at a time.
#
#   NGINX_BINARY    the nginx to test; default: objs/nginx
#   MEMORY_SECONDS  the duration

cd "$(dirname "$0")/.."
. build/lib.sh
. build/cargo.sh

need_packages "to test" binutils iproute2 util-linux python3

# The unstripped module: failures are reported with function names and lines.
dir=$(module_dir)/memory
configured
mkdir -p "$dir"
cp "$tree/objs/$module.so" "$dir/$module.so"
"${CC:-cc}" -shared -fPIC -O1 -Wall -Wextra -o "$dir/failing.so" tests/allocation-failures/failing.c

CHECK_MODULE=$(pwd)/$dir/$module.so
FAILING_LIBRARY=$(pwd)/$dir/failing.so
NETWORK_HOSTS='nginx-tests/hosts'
export CHECK_MODULE FAILING_LIBRARY NETWORK_HOSTS MEMORY_SECONDS="${MEMORY_SECONDS:-60}"
exec sh build/lab.sh python3 -B tests/allocation-failures/run.py
