#!/bin/sh
# run-file.sh FILE: runs a test file. Called by nginx-tests.sh, which sets the environment. Writes the results that are
# compared to $RESULTS/FILE.result: the number and the outcome of each check, whether it is expected to fail (TODO), what was
# skipped, and the exit status.

set -eu

out=$RESULTS/$1
status=0
# shellcheck disable=SC2016,SC2086 # for the inner shell; a list of words
timeout 600 $ISOLATE sh -c 'cd "$NGINX_TESTS" && exec perl "$1"' sh "$1" \
    >"$out.tap" 2>"$out.stderr" </dev/null || status=$?

{
    sed -nE \
        -e 's/^((not )?ok [0-9]+).*# *(TODO|skip|SKIP).*/\1 \3/p;t' \
        -e 's/^((not )?ok [0-9]+).*/\1/p;t' \
        -e 's/^1\.\.0 # *SKIP/skipped/p;t' \
        -e '/^1\.\./p' "$out.tap"
    echo "exit $status"
} >"$out.result"
