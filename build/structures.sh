#!/bin/sh
# structures.sh NGINX TREE: checks that the structures of that nginx are those of the configured sources in TREE. Compares the
# sizes and offsets in the debugging information of the binary with those in the compiled headers.
#
# Exits with 0 if all are the same, with 1 after printing some that differ, and with 2 if the binary has no debugging
# information, as in distributions.

cd "$(dirname "$0")/.."
. build/lib.sh

nginx=$1
tree=$2
make_scratch structures

# layouts FILE: prints the structures in its debugging information
layouts() {
    readelf --debug-dump=info "$1" 2>/dev/null | awk -f build/layouts.awk | LC_ALL=C sort -u
}

command -v readelf >/dev/null || exit 2
layouts "$nginx" >"$scratch/binary"
grep -q '^ngx_http_upstream_s ' "$scratch/binary" || exit 2

# Compiled with the flags of nginx's makefile. Unused structures must not be eliminated.
printf '#include <ngx_config.h>\n#include <ngx_core.h>\n#include <ngx_http.h>\n' >"$scratch/headers.c"
{
    say "include objs/Makefile"
    say "layouts:"
    # shellcheck disable=SC2016 # expanded by make
    printf '\t$(CC) $(CFLAGS) -g -fno-eliminate-unused-debug-types $(ALL_INCS) -c -o %s %s\n' \
        "$scratch/headers.o" "$scratch/headers.c"
} >"$scratch/makefile"
"${MAKE:-make}" --silent -C "$tree" -f "$scratch/makefile" layouts >"$scratch/log" 2>&1 || {
    tail -n 15 "$scratch/log" >&2
    say "the headers of the configured sources do not even compile"
    exit 1
}
layouts "$scratch/headers.o" >"$scratch/headers"

# Several files of nginx may define different structures of the same name: one match is enough. The internal structures of
# TLS and QUIC depend on the OpenSSL version, which may differ.
awk '$1 ~ /^ngx_(ssl|quic)_/ { next }
    NR == FNR { binary[$0]; if (!($1 in size)) size[$1] = $2; next }
    $1 in size && !($0 in binary) {
        if (differ++ < 3)
            if (size[$1] == $2)
                print $1 " has the same size, and members in other places"
            else
                print $1 " has " size[$1] " bytes in the binary, " $2 " by the sources"
    }
    END { exit differ > 0 }' "$scratch/binary" "$scratch/headers"
