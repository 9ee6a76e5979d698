#!/bin/sh
# lab.sh COMMAND ...: runs it in a network of its own, with the nginx and the module that it is to test; called by
# seeds.sh and browser.sh.
#
#   NGINX_BINARY   empty: objs/nginx
#   LAB_ADDRESSES  which addresses that network has, beside 127.0.0.0/8
#   LAB_HOSTS      a file that is /etc/hosts there

cd "$(dirname "$0")/.."
. build/lib.sh

if is_vendored; then nginx=objs/nginx; else nginx=$NGINX_BINARY; fi
so=$(module_dir)/$module.so
[ -f "$so" ] || die "there is no $so: run make${NGINX_BINARY:+ NGINX_BINARY=$NGINX_BINARY}"

MODULE=$(pwd)/$so
NGINX_UNDER_TEST=$(readlink -f "$nginx")
PYTHONPATH=$(pwd)/tests/lab
LAB_DIR=$(mktemp -d "${TMPDIR:-/tmp}/lab.XXXXXX")
trap 'rm -rf "$LAB_DIR"' EXIT
trap 'exit 130' INT TERM
export MODULE NGINX_UNDER_TEST PYTHONPATH LAB_DIR LAB_ADDRESSES="${LAB_ADDRESSES:-}" LAB_HOSTS="${LAB_HOSTS:-}"

isolate=
for way in 'unshare --net --mount' 'unshare --net --mount --map-root-user'; do
    $way ip link set lo up 2>/dev/null && isolate=$way && break
done
[ -n "$isolate" ] || die "no network namespaces here, and the tests need addresses that are not this machine's"

say "-- on $nginx ($(nginx_version "$nginx"))"
# shellcheck disable=SC2016,SC2086 # for the inner shell; lists of words
$isolate sh -ec 'ip link set lo up
    for address in $LAB_ADDRESSES; do ip address add "$address/32" dev lo; done
    [ -z "$LAB_HOSTS" ] || mount --bind "$LAB_HOSTS" /etc/hosts
    exec "$@"' sh "$@"
