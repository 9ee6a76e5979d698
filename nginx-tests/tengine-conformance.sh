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
if is_vendored; then nginx=objs/nginx; else nginx=$NGINX_BINARY; fi
[ -f "$so" ] || die "there is no $so: run make${NGINX_BINARY:+ NGINX_BINARY=$NGINX_BINARY}"

# The harness asks nginx -V what there is. It has to say session_sticky, and must not make the
# harness load modules of a distribution that the tests do not use.
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM
cat >"$dir/nginx" <<END
#!/bin/sh
case "\$*" in
    -V) "$(readlink -f "$nginx")" -V 2>&1 | sed -e 's/ --with-[^ ]*=dynamic//g' \\
            -e 's/^configure arguments:.*/& --add-dynamic-module=session_sticky/' ;;
    *) exec "$(readlink -f "$nginx")" "\$@" ;;
esac
END
chmod 755 "$dir/nginx"

TEST_NGINX_BINARY=$dir/nginx
TEST_NGINX_GLOBALS="load_module $(readlink -f "$so"); user root;"
export TEST_NGINX_BINARY TEST_NGINX_GLOBALS
unset TEST_NGINX_GLOBALS_HTTP TEST_NGINX_MODULES

# A network of its own, in which its ports are free, where the system allows it.
isolate=
for way in 'unshare --net' 'unshare --net --map-root-user'; do
    $way ip link set lo up 2>/dev/null && isolate=$way && break
done
[ -n "$isolate" ] || [ "$(id -u)" = 0 ] || die "this needs root: the harness starts workers as root"

say "-- Tengine's session_sticky.t on $nginx ($(nginx_version "$nginx"))"
# nginx has a [warn] for much in there, at every start: told only if a check fails.
# shellcheck disable=SC2016 # for the inner shell
PERL5LIB=$lib $isolate sh -c 'ip link set lo up 2>/dev/null; exec prove --timer "$1"' sh "$test" 2>"$dir/stderr" || {
    cat "$dir/stderr" >&2
    die "the module does not do what Tengine's tests want"
}
