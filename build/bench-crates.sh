#!/bin/sh
# Benchmarks the functions that process a request, without nginx: nanoseconds with criterion, instructions with callgrind.
# Also checks that wrong signatures are verified in constant time; it is an error if they are not.

cd "$(dirname "$0")/.."
. build/lib.sh

cargo bench --locked --package session-cookie --bench time -- --noplot
cargo bench --locked --package session-cookie --bench instructions
cargo bench --locked --package session-cookie --bench constant_time
