#!/bin/sh
# lab.sh COMMAND ...: runs it in a network of its own, with the nginx and the module that it is to test; called by
# published.sh, browser.sh and memory.sh.
#
#   NGINX_BINARY  empty: objs/nginx
#   CHECK_MODULE  the module, if it is not where module.sh puts it for this nginx
#
# What that network has, network.sh is told.

cd "$(dirname "$0")/.."
. build/lib.sh

nginx=$(tested_nginx)
so=${CHECK_MODULE:-$(pwd)/$(module_dir)/$module.so}
need_built "$so"

MODULE=$so
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
