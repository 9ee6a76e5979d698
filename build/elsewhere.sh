#!/bin/sh
# elsewhere.sh NGINX DIR: checks that sessions stick with an nginx for another processor or C library, which a wrapper runs
# on this machine, and with the module and the probe in DIR. Also runs some of nginx-tests.
#
#   TESTS  files and directories of nginx-tests to run instead of the default ones
#   JOBS   number of files to run in parallel

cd "$(dirname "$0")/.."
. build/lib.sh

nginx=$1
dir=$2

# Tests of cookies, IDs, signatures, shared memory over reloads, and servers by name. None needs TLS, which the nginx with
# musl does not have, or process titles, which are those of qemu.
tests='cookie/read.t cookie/ids.t modes/prefix.t modes/rewrite.t modes/learn-zone.t security/signed.t control/workers.t
    balancers/names.t'

python3 -B tests/build/visits.py "$nginx" "$dir/$module.so"
# shellcheck disable=SC2086 # a list of words
[ -n "${TESTS:-}" ] || TESTS=$(printf 'nginx-tests/%s ' $tests)
export TESTS
MODE=plain NGINX_BINARY=$nginx CHECK_MODULE=$dir/$module.so CHECK_PROBE=$dir/$probe.so exec sh build/check-nginx.sh
