#!/bin/sh
# judge-leak.sh STDERR ...: reads the slopes that Test::Nginx found, KiB of memory between two looks
# at a process under full load. A leak is far above 1, an allocator that settles below.

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
