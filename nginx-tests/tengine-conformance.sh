#!/bin/sh
# Runs the Tengine project's own tests of session_sticky, as they are, with this module in a stock nginx.
#
#   TENGINE_TESTS  a checkout of Tengine, or of its folder tests/nginx-tests: session_sticky.t and the
#                  Test::Nginx of nginx.org that it uses (not the one that our tests use) are looked for in it
#   NGINX_BINARY   empty: objs/nginx

cd "$(dirname "$0")/.."
. build/lib.sh

[ -n "${TENGINE_TESTS:-}" ] || die "where is Tengine? Say: make tengine-tests TENGINE_TESTS=/path/to/a/checkout"

# only_one NAME PATTERN
only_one() {
    found=$(find "$TENGINE_TESTS/" -path "$2" -type f | sort | head -n 1)
    [ -n "$found" ] || die "there is no $1 in $TENGINE_TESTS"
    readlink -f "$found"
}
test=$(only_one session_sticky.t '*/session_sticky.t')
lib=$(only_one lib/Test/Nginx.pm '*/lib/Test/Nginx.pm')
lib=${lib%/Test/Nginx.pm}

so=$(module_dir)/$module.so
nginx=$(tested_nginx)
need_built "$so"

# nginx -V has to say session_sticky.
make_scratch tengine
nginx_for_harness "$scratch/nginx" "$nginx" 's/^configure arguments:.*/& --add-dynamic-module=session_sticky/'

TEST_NGINX_BINARY=$scratch/nginx
TEST_NGINX_GLOBALS="load_module $(readlink -f "$so"); user root;"
export TEST_NGINX_BINARY TEST_NGINX_GLOBALS
unset TEST_NGINX_GLOBALS_HTTP TEST_NGINX_MODULES

# A network of its own, in which its ports are free, where the system allows it.
isolate=$(own_network)
[ -n "$isolate" ] || [ "$(id -u)" = 0 ] || die "this needs root: the harness starts workers as root"

say "-- Tengine's session_sticky.t on $nginx ($(nginx_version "$nginx"))"
# nginx has a [warn] for much in there, at every start: told only if a check fails.
# shellcheck disable=SC2086 # a list of words
PERL5LIB=$lib $isolate prove --timer "$test" 2>"$scratch/stderr" || {
    cat "$scratch/stderr" >&2
    die "the module does not do what Tengine's tests want"
}
