#!/bin/sh
# Fails if a request takes more instructions than benches/budget.txt allows, or allocates memory outside its pool, and shows
# where the instructions are spent.
#
#   BUDGET=write  writes the measured numbers to benches/budget.txt instead

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

# The same code, with debugging information.
NGINX_BINARY=
configured
python3 -B benches/budget.py objs/nginx "$tree/objs/$module.so" explain "$scratch/failed"

say
die "a request costs more than benches/budget.txt allows, or calls malloc more often than its base" \
    "save the instructions, or if they are worth it: make budget BUDGET=write"
