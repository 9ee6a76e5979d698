#!/bin/sh
# Runs nginx's own public tests that involve upstreams, unmodified, twice: without and with the module loaded. Each check of
# each file must have the same result both times. Tests of "sticky cookie", which nginx before 1.29.6 only supports with the
# module, run only with it, and must pass.
#
#   NGINX_TESTS         a checkout of nginx-tests
#   NGINX_BINARY        the nginx to test; default: objs/nginx
#   TESTS               only these files of the checkout: 'proxy.t upstream*.t'
#   JOBS                number of files to run in parallel
#   NGINX_TESTS_STICKY  1: in the run with the module, adds session_sticky to every upstream

cd "$(dirname "$0")/.."
. build/lib.sh

[ -f "${NGINX_TESTS:-}/lib/Test/Nginx.pm" ] ||
    die "where are nginx's tests? Say: make nginx-tests NGINX_TESTS=/path/to/a/checkout/of/nginx-tests"
NGINX_TESTS=$(cd "$NGINX_TESTS" && pwd)

so=$(module_dir)/$module.so
nginx=$(tested_nginx)
need_built "$so"
sh build/nginx-tests/deps.sh

# Tests of everything in http that has an upstream, and of the features that are most often used with it.
patterns='upstream*.t proxy*.t fastcgi*.t grpc*.t uwsgi*.t scgi*.t memcached*.t tunnel*.t
    *keepalive*.t *sticky*.t mirror*.t ssi*.t auth_request*.t slice.t http_resolver*.t
    h2_*proxy*.t h2_auth_request.t h2_fastcgi*.t h3_proxy*.t not_modified_proxy.t gunzip_*.t
    subrequest*.t post_action.t http_error_page.t worker_shutdown_timeout*.t'
# shellcheck disable=SC2086 # patterns that are expanded in that directory
files=$(cd "$NGINX_TESTS" && for file in ${TESTS:-$patterns}; do
    [ -f "$file" ] || continue
    case $file in stream_* | mail_*) ;; *) say "$file" ;; esac
done | sort -u)
[ -n "$files" ] || die "no such test in $NGINX_TESTS"

root=$(pwd)
make_scratch nginx-org
dir=$scratch
nginx_for_harness "$dir/nginx" "$nginx"

# memcached does not run as root without -u.
if [ "$(id -u)" = 0 ] && command -v memcached >/dev/null; then
    mkdir "$dir/bin"
    printf '#!/bin/sh\nexec %s -u nobody "$@"\n' "$(command -v memcached)" >"$dir/bin/memcached"
    chmod 755 "$dir/bin/memcached"
    PATH=$dir/bin:$PATH
fi

# If the system allows it, each file runs in its own network namespace, in which its ports are free.
isolate=$(own_network)
jobs=${JOBS:-$(nproc)}
[ -n "$isolate" ] || jobs=1
[ -n "$isolate" ] || [ "$(id -u)" = 0 ] || die "this needs root: the harness starts workers as root"

export NGINX_TESTS ISOLATE="$isolate" TEST_NGINX_BINARY="$dir/nginx" PERL5LIB="$NGINX_TESTS/lib"
unset TEST_NGINX_GLOBALS_HTTP TEST_NGINX_GLOBALS_STREAM TEST_NGINX_MODULES TEST_NGINX_VERBOSE PERL5OPT

# run WAY ROUND JOBS FILE ...: runs files, with their results in $dir/WAY.ROUND/
run() (
    RESULTS=$dir/$1.$2
    TEST_NGINX_GLOBALS="user root;"
    if [ "$1" = with ]; then
        TEST_NGINX_GLOBALS="load_module $root/$so; $TEST_NGINX_GLOBALS"
        if [ -n "${NGINX_TESTS_STICKY:-}" ]; then
            export PERL5OPT="-I$root/build/nginx-tests -MStickyUpstreams"
        fi
    fi
    export RESULTS TEST_NGINX_GLOBALS
    mkdir -p "$RESULTS"
    at_a_time=$3
    shift 3
    printf '%s\n' "$@" | xargs -P "$at_a_time" -n 1 sh build/nginx-tests/run-file.sh
)

# same ROUND FILE: whether the results without and with the module are the same
same() {
    cmp -s "$dir/without.$1/$2.result" "$dir/with.$1/$2.result"
}

# passes ROUND FILE: whether it is a test of "sticky", which this nginx only supports with the module, and passes
passes() {
    grep -q '^skipped no sticky' "$dir/without.$1/$2.result" &&
        grep -q '^ok ' "$dir/with.$1/$2.result" &&
        ! grep -q -e '^not ok [0-9]*$' -e '^exit [1-9]' "$dir/with.$1/$2.result"
}

say "-- nginx's tests on $nginx ($(nginx_version "$nginx")), without and with the module"
# shellcheck disable=SC2086 # a list of words
for way in without with; do
    run "$way" 1 "$jobs" $files
done

# Files with different results are run again one at a time, three times without and with the module. Some of nginx's tests
# depend on timing: if the results agree in one of these rounds, the file is only reported.
different=
flaky=
sticky=
for file in $files; do
    same 1 "$file" && continue
    if passes 1 "$file"; then
        sticky="$sticky $file"
        continue
    fi
    agreed=
    for round in 2 3 4; do
        for way in without with; do
            run "$way" "$round" 1 "$file"
        done
        same "$round" "$file" && agreed=yes
    done
    if [ -n "$agreed" ]; then flaky="$flaky $file"; else different="$different $file"; fi
    for round in 1 2 3 4; do
        say "-- $file, round $round: without (<) and with (>)"
        diff "$dir/without.$round/$file.result" "$dir/with.$round/$file.result" || :
    done
done

cd "$dir/with.1"
say "-- with the module:"
grep -l '^skipped' -- *.result | while read -r result; do
    say "skipped: ${result%.result} $(sed -n 's/^skipped//p' "$result")"
done
grep -l -e '^not ok [0-9]*$' -e '^exit [1-9]' -- *.result | while read -r result; do
    say "fails: ${result%.result}$(sed -n 's/^not ok \([0-9]*\)$/ \1/p' "$result" | tr -d '\n')"
done
say "$(printf '%s\n' "$files" | wc -l) files, $(cat -- *.result | grep -cE '^(not )?ok ') checks," \
    "$(cat -- *.result | grep -c '^skipped') files skipped," \
    "$(cat -- *.result | grep -cE '^not ok [0-9]+$') checks fail"
[ -z "$flaky" ] || say "not always the same, either way:$flaky"
[ -z "$sticky" ] || say "tests of \"sticky\" that only run with the module, and pass:$sticky"
[ -z "$different" ] || die "another result with the module than without:$different"
say "the same with the module as without"
