#!/bin/sh
# elsewhere.sh NGINX DIR: an nginx of another processor or C library, that runs here by some program, and the module and the
# probe in DIR that were built for it: do sessions stick? And some of nginx-tests.
#
#   TESTS  these files and folders of nginx-tests
#   JOBS   files at a time

cd "$(dirname "$0")/.."
. build/lib.sh

nginx=$1
dir=$2

# Reading cookies, and writing them; ids and signatures; tables in shared memory, over reloads; servers by name. None needs
# TLS, which nginx with musl has not; or the title of a process, which is qemu's.
tests='cookie/read.t cookie/ids.t modes/prefix.t modes/rewrite.t modes/learn-zone.t security/signed.t control/workers.t
    balancers/names.t'

python3 -B tests/build/visits.py "$nginx" "$dir/$module.so"
# shellcheck disable=SC2086 # a list of words
[ -n "${TESTS:-}" ] || TESTS=$(printf 'nginx-tests/%s ' $tests)
export TESTS
MODE=plain NGINX_BINARY=$nginx CHECK_MODULE=$dir/$module.so CHECK_PROBE=$dir/$probe.so exec sh build/check-nginx.sh
