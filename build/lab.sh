#!/bin/sh
# lab.sh COMMAND ...: runs a command in its own network namespace, with the nginx and the module to test. Called by
# published.sh, browser.sh, monitoring.sh and memory.sh.
#
#   NGINX_BINARY  the nginx to test; default: objs/nginx
#   CHECK_MODULE  the module; default: the one that module.sh has built for this nginx
#
# network.sh describes the variables for the network.

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
