#!/bin/sh
# Runs nginx-tests/*/*.t with an nginx and the module that was built for it.
#
#   NGINX_BINARY  the nginx to test; default: objs/nginx
#   CHECK_MODULE  the module; default: the one that module.sh has built for this nginx; compiled-in: loads none
#   CHECK_PROBE   the probe; default: the one that probe.sh has built for this nginx
#   TESTS         only these files and directories
#   MODE          plain
#                 hup       reloads nginx between the blocks of a file instead of restarting it
#                 valgrind  any error or leak that valgrind reports is a failure
#                 leak      runs each block under load; growing memory is a failure
#   JOBS          number of files to run in parallel

cd "$(dirname "$0")/.."
. build/lib.sh

root=$(pwd)
mode=${MODE:-plain}
# A file spends about half of its time waiting.
jobs=${JOBS:-$(($(nproc) * 3 / 2))}
so=${CHECK_MODULE:-$(module_dir)/$module.so}
probe_so=${CHECK_PROBE:-$(module_dir)/$probe.so}
nginx=$(tested_nginx)
[ "$so" = compiled-in ] || need_built "$so"
need_built "$probe_so" check-nginx
perl -MTest::Nginx::Socket -e 1 2>/dev/null || die "Test::Nginx is missing: make test-deps"

# shellcheck disable=SC2086 # a list of words
set -- ${TESTS:-nginx-tests}
for path; do
    [ -e "$path" ] || die "there is no $path"
done
# shellcheck disable=SC2046 # a list of words
set -- $(find "$@" -name '*.t' | sort)
[ $# -gt 0 ] || die "there is no .t file in ${TESTS:-nginx-tests}"

# Test::Nginx allows no spaces in paths, and removes all files in its server root. The path must be short, because the path
# of a Unix socket in it may have at most 107 characters.
make_scratch nginx-tests
dir=$scratch
nginx_for_tests "$dir/nginx" "$nginx"
ln -s "$root/$probe_so" "$dir/probe.so"
load=$dir/probe.so
if [ "$so" != compiled-in ]; then
    ln -s "$root/$so" "$dir/$module.so"
    load="$dir/$module.so $load"
fi
mkdir "$dir/valgrind"
: >"$dir/killed"

export CHECK_DIR="$dir" CHECK_LIB="$root/nginx-tests/lib"
export TEST_NGINX_BINARY="$dir/nginx"
export TEST_NGINX_LOAD_MODULES="$load"
export TEST_NGINX_NO_SHUFFLE=1
unset TEST_NGINX_USE_HUP TEST_NGINX_USE_VALGRIND TEST_NGINX_CHECK_LEAK TEST_NGINX_RANDOMIZE

case $mode in
    plain) ;;
    hup) export TEST_NGINX_USE_HUP=1 ;;
    valgrind)
        # -v overrides the -q of Test::Nginx: the last line of the output shows that nginx has run to
        # its end under valgrind.
        export TEST_NGINX_USE_VALGRIND="-v --log-file=$dir/valgrind/%p \
            --leak-check=full --show-possibly-lost=yes --keep-debuginfo=yes --num-callers=40 \
            --gen-suppressions=all --suppressions=$root/nginx-tests/valgrind.suppress"
        # Everything takes twenty times as long, and the harness kills servers that are slow to exit.
        export TEST_NGINX_SLEEP=0.3 TEST_NGINX_TIMEOUT=20 ;;
    leak)
        export TEST_NGINX_CHECK_LEAK=1
        # each test uses two processors by itself
        jobs=1 ;;
    *) die "MODE is plain, hup, valgrind or leak, not $mode" ;;
esac

# If the system allows it, each file runs in its own network namespace, in which its ports are free, and with the names of
# nginx-tests/hosts.
export NETWORK_HOSTS=nginx-tests/hosts
isolate=$(own_network)
if [ -z "$isolate" ]; then
    unset NETWORK_HOSTS
    isolate=$(own_network)
fi
if [ -z "$isolate" ]; then
    say "-- no network namespaces here: one file at a time, on ports 1984 and up"
    jobs=1
fi
export CHECK_ISOLATE="$isolate"

say "-- nginx-tests, $mode, on $nginx ($(nginx_version "$nginx"))"
status=0
prove --exec "sh build/run-t.sh" --jobs "$jobs" --timer "$@" || status=$?

case $mode in
    valgrind) sh build/judge-valgrind.sh "$dir/valgrind" "$dir/killed" || status=1 ;;
    leak) sh build/judge-leak.sh "$dir"/*.stderr || status=1 ;;
esac
exit "$status"
