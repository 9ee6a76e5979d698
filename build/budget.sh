#!/bin/sh
# Fails if a request costs more instructions than benches/budget.txt allows, or takes memory from elsewhere
# than its pool, and says where the instructions go.
#
#   BUDGET=write  writes what is measured into benches/budget.txt instead

cd "$(dirname "$0")/.."
. build/lib.sh
. build/cargo.sh

so=objs/$module.so
need_built "$so"
command -v valgrind >/dev/null || die "valgrind is missing: make test-deps"

if [ "${BUDGET:-}" = write ]; then
    exec python3 -B benches/budget.py objs/nginx "$so" write
fi

make_scratch budget

say "-- budget: instructions of a request over its base"
status=0
python3 -B benches/budget.py objs/nginx "$so" failed "$scratch/failed" || status=$?
[ -s "$scratch/failed" ] || exit "$status"

# The module is stripped. With names of functions and files it is the same code.
say "-- building once more with symbols, to say where the instructions go"
unset NGINX_SOURCE_DIR NGINX_BUILD_DIR
CARGO_PROFILE_RELEASE_STRIP=none CARGO_PROFILE_RELEASE_DEBUG=line-tables-only \
    cargo_build --release --features vendored
built=$(built "lib$module.so")
cp "$built" "$scratch/$module.so"
python3 -B benches/budget.py objs/nginx "$scratch/$module.so" explain "$scratch/failed"

say
die "a request costs more than benches/budget.txt allows, or calls malloc more often than its base" \
    "save the instructions, or if they are worth it: make budget BUDGET=write"
