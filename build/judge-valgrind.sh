#!/bin/sh
# judge-valgrind.sh DIR KILLED: reads valgrind's reports, a file for each process. A process whose pid is in the file KILLED
# was killed by its test: its report has the errors until then, and neither leaks nor an end.

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
