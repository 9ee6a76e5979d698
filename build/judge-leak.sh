#!/bin/sh
# judge-leak.sh STDERR ...: evaluates the slopes that Test::Nginx has measured: the growth of a process under full load, in
# KiB per measurement. A leak is far above 1; a warming-up allocator is below.

cd "$(dirname "$0")/.."
. build/lib.sh

awk '
    /^LeakTest: k=/ {
        slope = substr($2, 3)
        blocks++
        if (slope == "N/A" || slope + 0 >= 1) {
            bad++
            printf "memory grows by %s: %s\n", slope, name
        }
        next
    }
    /^LeakTest:/ { next }
    /\.t / { name = $0 }
    { other = other $0 "\n" }
    END {
        printf "leak: %d blocks under load, %d that grow\n", blocks, bad
        if (!blocks)
            printf "%s", other
        exit !blocks || bad
    }
' "$@"
