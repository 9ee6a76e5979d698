#!/bin/sh
# lab.sh COMMAND ...: runs it in a network of its own, with the nginx and the module that it is to test; called by
# published.sh and browser.sh.
#
#   NGINX_BINARY  empty: objs/nginx
#
# What that network has, network.sh is told.

cd "$(dirname "$0")/.."
. build/lib.sh

nginx=$(tested_nginx)
so=$(module_dir)/$module.so
need_built "$so"

MODULE=$(pwd)/$so
NGINX_UNDER_TEST=$(readlink -f "$nginx")
PYTHONPATH=$(pwd)/tests/lab
make_scratch lab
LAB_DIR=$scratch
export MODULE NGINX_UNDER_TEST PYTHONPATH LAB_DIR

isolate=$(own_network)
[ -n "$isolate" ] || die "no network namespaces here, and the tests need addresses that are not this machine's"

say "-- on $nginx ($(nginx_version "$nginx"))"
# shellcheck disable=SC2086 # a list of words
$isolate "$@"
