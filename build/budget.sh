#!/bin/sh
# Fails if a request costs more instructions than benches/budget.txt allows, or takes memory from elsewhere
# than its pool, and says where the instructions go.
#
#   BUDGET=write  writes what is measured into benches/budget.txt instead

cd "$(dirname "$0")/.."
. build/lib.sh

so=objs/$module.so
[ -f "$so" ] || die "there is no $so: run make"
command -v valgrind >/dev/null || die "valgrind is missing: make test-deps"

if [ "${BUDGET:-}" = write ]; then
    exec python3 -B benches/budget.py objs/nginx "$so" write
fi

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM

say "-- budget: instructions of a request over its base"
status=0
python3 -B benches/budget.py objs/nginx "$so" failed "$dir/failed" || status=$?
[ -s "$dir/failed" ] || exit "$status"

# The module is stripped. With names of functions and files it is the same code.
say "-- building once more with symbols, to say where the instructions go"
unset NGINX_SOURCE_DIR NGINX_BUILD_DIR
CARGO_PROFILE_RELEASE_STRIP=none CARGO_PROFILE_RELEASE_DEBUG=line-tables-only \
    cargo build --locked --release --features vendored --message-format=json-render-diagnostics \
    >"$dir/messages"
built=$(sed -n '/"compiler-artifact"/s/.*"\([^"]*\/lib'"$module"'\.so\)".*/\1/p' "$dir/messages")
cp "$built" "$dir/$module.so"
python3 -B benches/budget.py objs/nginx "$dir/$module.so" explain "$dir/failed"

say
die "a request costs more than benches/budget.txt allows, or calls malloc more often than its base" \
    "save the instructions, or if they are worth it: make budget BUDGET=write"
