#!/bin/sh
# judge-valgrind.sh DIR KILLED: evaluates valgrind's reports, one file per process. Processes whose IDs are in the file KILLED
# were killed by their tests: their reports contain errors, but no leaks and no summary.

cd "$(dirname "$0")/.."
. build/lib.sh

dir=$1
killed=$2
reports=0
killed_by_tests=0
bad=0
for report in "$dir"/*; do
    [ -f "$report" ] || break
    reports=$((reports + 1))
    grep -q 'ERROR SUMMARY: 0 errors' "$report" && continue
    if grep -qx "${report##*/}" "$killed" && ! grep -q 'Memcheck:\|Process terminating' "$report"; then
        killed_by_tests=$((killed_by_tests + 1))
        continue
    fi
    bad=$((bad + 1))
    if grep -q 'ERROR SUMMARY' "$report"; then
        cat "$report" >&2
    else
        say "an nginx was killed before valgrind could report: $(sed -n '/Command/p' "$report")" >&2
        tail -n 3 "$report" >&2
    fi
done

[ "$reports" -gt 0 ] || die "valgrind left no report: nothing was checked"
say "valgrind: $reports runs of nginx, $bad with errors, $killed_by_tests killed by tests"
[ "$bad" = 0 ]
