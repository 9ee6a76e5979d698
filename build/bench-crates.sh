#!/bin/sh
# The functions that a request goes through, without nginx: nanoseconds by criterion, instructions by
# callgrind. And whether wrong signatures take the same time, which is an error if not.

cd "$(dirname "$0")/.."
. build/lib.sh

cargo bench --locked --package session-cookie --bench time -- --noplot
cargo bench --locked --package session-cookie --bench instructions
cargo bench --locked --package session-cookie --bench constant_time
