#!/bin/sh
# Runs every fuzz target, or those of TARGETS, for FUZZ_SECONDS each; ends at the first that finds
# something. What it learns goes to fuzz/corpus, what it starts from is in fuzz/seeds, if there.

cd "$(dirname "$0")/.."
. build/lib.sh

# cargo fuzz has no --locked of its own: what this accepts, it does not change.
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
