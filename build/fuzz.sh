#!/bin/sh
# Runs all fuzz targets, or those in TARGETS, for FUZZ_SECONDS each, and stops at the first failure. Starts from fuzz/seeds,
# if present, and stores new inputs in fuzz/corpus.

cd "$(dirname "$0")/.."
. build/lib.sh

# cargo fuzz has no --locked. If this succeeds, it does not change the lock file.
cargo +nightly fetch --locked --quiet --manifest-path fuzz/Cargo.toml

seconds=${FUZZ_SECONDS:-600}
for target in ${TARGETS:-$(cargo +nightly fuzz list)}; do
    say "-- $target, $seconds seconds"
    set -- "fuzz/corpus/$target"
    mkdir -p "$1"
    [ ! -d "fuzz/seeds/$target" ] || set -- "$@" "fuzz/seeds/$target"
    cargo +nightly fuzz run "$target" "$@" -- \
        -max_total_time="$seconds" -print_final_stats=1 -verbosity=0
done
