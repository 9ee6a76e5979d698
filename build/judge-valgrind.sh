#!/bin/sh
# judge-valgrind.sh DIR: reads valgrind's reports, a file for each process.

cd "$(dirname "$0")/.."
. build/lib.sh

dir=$1
reports=0
bad=0
for report in "$dir"/*; do
    [ -f "$report" ] || break
    reports=$((reports + 1))
    grep -q 'ERROR SUMMARY: 0 errors' "$report" && continue
    bad=$((bad + 1))
    if grep -q 'ERROR SUMMARY' "$report"; then
        cat "$report" >&2
    else
        say "an nginx was killed before valgrind could report: $(sed -n '/Command/p' "$report")" >&2
        tail -n 3 "$report" >&2
    fi
done

[ "$reports" -gt 0 ] || die "valgrind left no report: nothing was checked"
say "valgrind: $reports runs of nginx, $bad with errors"
[ "$bad" = 0 ]
